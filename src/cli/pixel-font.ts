/**
 * A fixed-width font of 5 x 7 pixels, two more below the line for tails, for labels in pictures: a font file or a text renderer would be a
 * dependency for a few words. Printable ASCII; any other character shows as a box.
 */

/** Pixels from one character to the next, and from one line to the next, at scale 1. */
export const advance = 6;
export const lineHeight = 11;

/** Height of the capitals at scale 1. */
const capHeight = 7;

const unknown = 'vhhhhhv';

/**
 * A glyph's rows from the top, one base-32 digit a row; its five bits are the pixels, the leftmost the highest. Rows 8 and 9 lie below the
 * line, and missing rows are empty. In the order of the characters' codes, from the blank on.
 */
const glyphs = [
  ['0', '4444404', 'aa', 'aavavaa', '4fke5u4', 'op248j3', 'cik8lid', 'cc8'],
  ['2488842', '8422248', '04lel4', '044v44', '00000c48', '000v', '00000cc', '01248g'],
  ['ehjlphe', '4c4444e', 'eh1248v', 'v2421he', '26aiv22', 'vgu11he', '68guhhe', 'v124888'],
  ['ehhehhe', 'ehhf12c', '0cc0cc', '0cc0c48', '248g842', '00v0v', '8421248', 'eh12404'],
  ['ehnlnge', 'ehhvhhh', 'uhhuhhu', 'ehggghe', 'uhhhhhu', 'vgguggv', 'vgguggg', 'ehgnhhe'],
  ['hhhvhhh', 'e44444e', '72222ic', 'hikokih', 'ggggggv', 'hrllhhh', 'hhpljhh', 'ehhhhhe'],
  ['uhhuggg', 'ehhhlid', 'uhhukih', 'fgge11u', 'v444444', 'hhhhhhe', 'hhhhha4', 'hhhllla'],
  ['hha4ahh', 'hha4444', 'v1248gv', 'e88888e', '0g8421', 'e22222e', '4ah', '0000000v'],
  ['842', '00e1fhf', 'ggmphhu', '00egghe', '11djhhf', '00ehvge', '698s888', '00fhhhf1e'],
  ['ggmphhh', '40c444e', '2062222ic', 'ggikoki', 'c44444e', '00qllhh', '00mphhh', '00ehhhe'],
  ['00uhhhugg', '00fhhhf11', '00mpggg', '00fge1u', '88s8896', '00hhhjd', '00hhha4', '00hhlla'],
  ['00ha4ah', '00hhhhf1e', '00v248v', '6448446', '4444444', 'c44244c', '00dm', unknown],
].flat();

/** Calls `plot` for every pixel of a line of text whose capitals' top left corner is (x, y), each pixel `scale` wide and high. */
export function drawText(
  text: string,
  x: number,
  y: number,
  scale: number,
  plot: (x: number, y: number) => void,
): void {
  for (const [i, character] of [...text].entries()) {
    const rows = glyphs[character.codePointAt(0)! - 32] ?? unknown;
    for (let r = 0; r < rows.length * scale; r++) {
      const bits = Number.parseInt(rows[Math.floor(r / scale)], 32);
      for (let c = 0; c < 5 * scale; c++) {
        if ((bits >> (4 - Math.floor(c / scale))) & 1) plot(x + i * advance * scale + c, y + r);
      }
    }
  }
}

/** Width of a line of text in pixels, without the gap behind its last character. */
export const textWidth = (text: string, scale: number): number =>
  Math.max(0, [...text].length * advance - 1) * scale;

/** Height of so many lines of text in pixels, from the first one's capitals to the last one's. */
export const textHeight = (lines: number, scale: number): number =>
  lines === 0 ? 0 : ((lines - 1) * lineHeight + capHeight) * scale;

/** Breaks text at blanks into lines of at most `width` pixels; a word that is longer is broken where it must be. */
export function wrapText(text: string, width: number, scale: number): string[] {
  const most = Math.max(1, Math.floor((width / scale + 1) / advance));
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter(Boolean)) {
    if (line && line.length + 1 + word.length <= most) {
      line += ` ${word}`;
      continue;
    }
    if (line) lines.push(line);
    line = word;
    while (line.length > most) {
      lines.push(line.slice(0, most));
      line = line.slice(most);
    }
  }
  if (line) lines.push(line);
  return lines;
}
