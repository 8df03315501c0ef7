/**
 * Scroll a table so that one of its rows is visible below the sticky head. Unlike `scrollIntoView`, this leaves
 * the page where it is.
 * @param {HTMLElement} scroller
 * @param {HTMLElement} row
 */
export function reveal(scroller, row) {
  const head = scroller.querySelector('thead')?.offsetHeight ?? 0;
  const above = row.offsetTop - head - scroller.scrollTop;
  const below = row.offsetTop + row.offsetHeight - scroller.clientHeight - scroller.scrollTop;
  if (above < 0 || below > 0) scroller.scrollTop += above < 0 ? above : below;
}
