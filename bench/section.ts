/**
 * A page with the text between its two markers, `<!-- mark:begin -->` and `<!-- mark:end -->`, replaced.
 *
 * @param name of the page, for the message
 * @throws RangeError if it has no markers.
 */
export function between(page: string, text: string, name: string, mark: string): string {
  const [begin, end] = ['begin', 'end'].map((which) => `<!-- ${mark}:${which} -->`);
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new RangeError(`${name} should hold ${begin} and ${end}`);
  return `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`;
}
