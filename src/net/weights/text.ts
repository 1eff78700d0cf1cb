/**
 * `text` from a file made safe for a one-line message: quoted, at most 80 characters, and with
 * everything that could break the line or steer a terminal escaped.
 */
export function quote(text: string): string {
  const cut = text.length > 80 ? `${text.slice(0, 77)}...` : text;
  const escaped = JSON.stringify(cut).slice(1, -1).replace(/\\"/g, '"');
  return `'${escaped.replace(/[\p{C}\u2028\u2029]/gu, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`)}'`;
}

/** The first `count` of `names` joined by commas, with how many more there are. */
export function listed(names: readonly string[], count = 8): string {
  const shown = names.slice(0, count).join(', ');
  return names.length > count ? `${shown} and ${names.length - count} more` : shown;
}
