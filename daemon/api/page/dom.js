// Elements out of plain values. Text is always text: nothing here takes markup.

const svg_space = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function el(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes, ...children) {
  return fill(document.createElementNS(svg_space, name), attributes, children);
}

// New children for `place`. What the reader had opened or was at stays so: elements are known again
// by data-key.
export function show(place, ...children) {
  const focused = place.contains(document.activeElement) && document.activeElement.dataset.key;
  const open = new Map([...place.querySelectorAll('details[data-key]')].map((each) => [each.dataset.key, each.open]));
  place.replaceChildren(...children.flat(Infinity).filter(Boolean));
  for (const each of place.querySelectorAll('details[data-key]')) {
    if (open.has(each.dataset.key)) each.open = open.get(each.dataset.key);
  }
  if (focused) place.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({preventScroll: true});
}

// At most one call of `work` in `milliseconds`, and always one after the last wish.
export function paced(work, milliseconds, signal) {
  let waiting = 0;
  signal?.addEventListener('abort', () => clearTimeout(waiting));
  return () => {
    if (waiting || signal?.aborted) return;
    waiting = setTimeout(() => {
      waiting = 0;
      work();
    }, milliseconds);
  };
}
