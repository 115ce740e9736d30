// A log line's colours (ECMA-48 SGR) as classes; all other control sequences are left out.

import {el} from './dom.js';

const sequence = /\u001b(?:\[([0-9;:]*)([ -/]*[@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\^_])/g;
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

const plain = () => ({color: '', back: '', bold: false, dim: false, italic: false, line: false});

// 256 colours and RGB as the nearest of the sixteen, whose contrast the style sheet looks after.
function nearest(codes) {
  const kind = codes.shift();
  let rgb;
  if (kind === 5) {
    const index = codes.shift() ?? 7;
    if (index < 16) return index;
    if (index > 231) return index < 244 ? 8 : 7;
    const at = index - 16;
    rgb = [Math.floor(at / 36), Math.floor(at / 6) % 6, at % 6].map((level) => level / 5);
  } else if (kind === 2) {
    rgb = codes.splice(0, 3).map((level) => level / 255);
  } else {
    return 7;
  }
  const most = Math.max(...rgb);
  if (most < 0.25) return 8;
  const bits = rgb.reduce((sum, level, bit) => sum + (level > most * 0.6 ? 1 << bit : 0), 0);
  return bits + (most > 0.8 ? 8 : 0);
}

function apply(style, codes) {
  while (codes.length > 0) {
    const code = codes.shift();
    if (code === 0) Object.assign(style, plain());
    else if (code === 1) style.bold = true;
    else if (code === 2) style.dim = true;
    else if (code === 3) style.italic = true;
    else if (code === 4) style.line = true;
    else if (code === 22) style.bold = style.dim = false;
    else if (code === 23) style.italic = false;
    else if (code === 24) style.line = false;
    else if (code >= 30 && code <= 37) style.color = code - 30;
    else if (code >= 90 && code <= 97) style.color = code - 82;
    else if (code === 38) style.color = nearest(codes);
    else if (code === 39) style.color = '';
    else if (code >= 40 && code <= 47) style.back = code - 40;
    else if (code >= 100 && code <= 107) style.back = code - 92;
    else if (code === 48) style.back = nearest(codes);
    else if (code === 49) style.back = '';
  }
}

function class_of(style) {
  const names = [];
  if (style.color !== '') names.push(`ink-${style.color}`);
  if (style.back !== '') names.push(`back-${style.back}`);
  for (const name of ['bold', 'dim', 'italic', 'line']) if (style[name]) names.push(`ink-${name}`);
  return names.join(' ');
}

// [{text, name}] of a line.
export function pieces(line) {
  const found = [], style = plain();
  let at = 0;
  const add = (text) => {
    text = text.replace(controls, ' ');
    if (text) found.push({text, name: class_of(style)});
  };
  for (const match of line.matchAll(sequence)) {
    add(line.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[2] === 'm') apply(style, (match[1] || '0').split(/[;:]/).map(Number));
  }
  add(line.slice(at));
  return found;
}

export function bare(line) {
  return line.replace(sequence, '').replace(controls, ' ');
}

function marked(text, wanted) {
  if (!wanted) return [text];
  const parts = [], low = text.toLowerCase();
  let at = 0;
  for (let next; (next = low.indexOf(wanted, at)) >= 0; at = next + wanted.length) {
    parts.push(text.slice(at, next), el('mark', {}, text.slice(next, next + wanted.length)));
  }
  return [...parts, text.slice(at)];
}

// A line's nodes, with `wanted` (in lower case) marked.
export function painted(line, wanted) {
  return pieces(line).map(({text, name}) => name ? el('span', {class: name}, marked(text, wanted)) : marked(text, wanted));
}
