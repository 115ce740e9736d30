// A run's log: only the rows in sight are in the document, however long it is.

import {el, paced} from './dom.js';
import {Lines} from './log_lines.js';
import {Outline} from './log_outline.js';
import {Search} from './log_search.js';
import {painted} from './ansi.js';
import {clock, full_time, size} from './text.js';
import {t} from './words.js';

const row_height = 20;
/// Browsers lay out no more than some 17 million pixels; a longer log is scrolled by its share.
const most_height = 8e6;
const longest_shown = 4000;
const least_port = 360;

function progress_text(text) {
  try {
    const {layer, doing, current, total} = JSON.parse(text);
    return `${doing || ''} ${layer || ''} ${total ? `${size(current)} / ${size(total)}` : ''}`;
  } catch {
    return text;
  }
}

export function log_tab(place, run, query, signal) {
  const draw_soon = paced(() => requestAnimationFrame(draw), 30, signal);
  const lines = new Lines(run.id, signal, draw_soon);
  const outline = new Outline(run.id, run.last_line, signal, draw_soon);
  let marked = Number(query.get('line')) || 0;
  let ended = !['queued', 'running'].includes(run.state);
  let following = !ended && !marked;
  const rows = new Map();  // number -> {node, key}

  const input = el('input', {type: 'search', id: 'log-search', placeholder: t('Search the log'), 'aria-label': t('Search the log'), autocomplete: 'off', spellcheck: 'false'});
  const found = el('span', {class: 'quiet', id: 'log-found', 'aria-live': 'polite'});
  const count = el('span', {class: 'quiet', id: 'log-count'});
  const follow_box = el('input', {type: 'checkbox', id: 'log-follow', checked: following, onchange: (event) => {
    following = event.target.checked;
    if (following) scroll_to_end();
  }});
  const button = (id, text, act) => el('button', {type: 'button', class: 'small', id, onclick: act}, text);
  const tools = el('form', {class: 'tools log-tools', role: 'search', onsubmit: (event) => {
    event.preventDefault();
    if (search.wanted === input.value.toLowerCase()) move(1);
    else search.begin(input.value);
  }},
  input, button('log-before', '↑', () => move(-1)), button('log-next', '↓', () => move(1)), found,
  el('span', {class: 'push'}),
  button('log-fold', t('Fold all'), () => fold_all(true)), button('log-unfold', t('Unfold all'), () => fold_all(false)),
  el('label', {class: 'check', hidden: ended}, follow_box, t('follow')),
  count,
  el('a', {href: `api/v1/runs/${run.id}/log`, download: `run-${run.id}.log`, id: 'log-download'}, t('Download')));
  tools.querySelector('#log-before').setAttribute('aria-label', t('Match before'));
  tools.querySelector('#log-next').setAttribute('aria-label', t('Next match'));

  const sheet = el('div', {class: 'log-sheet'});
  const port = el('div', {class: 'log', id: 'log', tabindex: '0', role: 'region', 'aria-label': t('Log')}, sheet);
  const search = new Search(run.id, () => {
    if (search.at < 0 && search.found.length > 0) reveal(search.from(marked || first_in_sight()));
    draw_soon();
  });
  place.append(tools, port);

  let typed = 0;
  input.addEventListener('input', () => {
    clearTimeout(typed);
    typed = setTimeout(() => search.begin(input.value), 300);
  });
  signal.addEventListener('abort', () => {
    clearTimeout(typed);
    search.clear();
  });

  // Where we are in the log, in rows. Of a log that is too high to be laid out the place scrolled to is a
  // share of the whole.
  const in_sight = () => Math.max(1, Math.ceil(port.clientHeight / row_height));
  const height = () => Math.min(most_height, outline.rows * row_height);
  const stretch = () => {
    const room = height() - port.clientHeight;
    return room <= 0 ? 1 : Math.max(0, outline.rows * row_height - port.clientHeight) / room;
  };
  const top_of_sight = () => port.scrollTop * stretch();
  const first_in_sight = () => outline.number_at(Math.floor(top_of_sight() / row_height));

  // As high as there is room below what stands above it.
  function fit() {
    const room = Math.max(least_port, window.innerHeight - (port.getBoundingClientRect().top + window.scrollY) - 20);
    if (Math.abs(room - port.offsetHeight) > 2) port.style.height = `${room}px`;
  }

  function scroll_to_row(row) {
    const top = Math.max(0, row * row_height - port.clientHeight / 3);
    port.scrollTop = top / stretch();
  }
  function scroll_to_end() {
    sheet.style.height = `${height()}px`;
    port.scrollTop = port.scrollHeight;
  }
  function reveal(number) {
    if (!number) return;
    following = follow_box.checked = false;
    outline.reveal(number);
    sheet.style.height = `${height()}px`;
    scroll_to_row(outline.row_of(number));
    draw_soon();
  }
  function move(by) {
    reveal(search.step(by));
  }
  function fold_all(yes) {
    const number = first_in_sight();
    outline.fold_all(yes);
    sheet.style.height = `${height()}px`;
    scroll_to_row(outline.row_of(number));
    draw_soon();
  }

  function fold_button(at) {
    const section = outline.sections[at];
    const folded = outline.folded.has(section.first);
    const length = outline.length_of(at) - 1;
    if (length === 0) return el('span', {class: 'fold'});
    return el('button', {type: 'button', class: 'fold', 'aria-expanded': String(!folded), 'aria-label': folded ? t('Unfold {count} lines', {count: length}) : t('Fold {count} lines', {count: length}), onclick: () => {
      outline.fold(section.first, !folded);
      draw();
      rows.get(section.first)?.node.querySelector('.fold').focus({preventScroll: true});
    }}, folded ? '▸' : '▾');
  }

  function content_of(number, line, at) {
    const link = el('a', {class: 'line-number', href: `#/runs/${run.id}/log?line=${number}`, tabindex: '-1', 'aria-label': t('Line {number}', {number})}, number);
    if (!line) return [link, el('span', {class: 'line-text quiet'}, '…')];
    const text = line.kind === 'progress' ? progress_text(line.text) : line.text;
    const folded = at >= 0 && outline.folded.has(number);
    return [link,
      at >= 0 ? fold_button(at) : el('span', {class: 'fold'}),
      el('time', {class: 'line-time', datetime: line.when, title: full_time(line.when)}, clock(line.when)),
      at >= 0 ? el('span', {class: 'line-place'}, [line.image, line.stage].filter(Boolean).join(' ')) : null,
      el('span', {class: 'line-text'}, painted(text.length > longest_shown ? `${text.slice(0, longest_shown)}…` : text, search.wanted)),
      folded ? el('span', {class: 'line-folded'}, t('{count} lines', {count: outline.length_of(at) - 1}),
        outline.sections[at].errors ? el('span', {class: 'bad'}, ` ${t('{count} errors', {count: outline.sections[at].errors})}`) : null) : null];
  }

  function draw() {
    if (signal.aborted) return;
    fit();
    sheet.style.height = `${height()}px`;
    if (following) port.scrollTop = port.scrollHeight;
    const top = top_of_sight();
    const first = Math.max(0, Math.floor(top / row_height) - 10);
    const last = Math.min(outline.rows, first + in_sight() + 21);
    const numbers = [];
    for (let row = first; row < last; ++row) numbers.push(outline.number_at(row));
    lines.want(numbers);
    const current = search.found[search.at];
    const kept = new Set(numbers);
    for (const [number, row] of rows) {
      if (kept.has(number)) continue;
      row.node.remove();
      rows.delete(number);
    }
    numbers.forEach((number, index) => {
      const line = lines.find(number), at = outline.section_that_begins(number);
      const key = `${line ? 1 : 0} ${at} ${at >= 0 && outline.folded.has(number)} ${at >= 0 && (ended || at + 1 < outline.sections.length) ? outline.length_of(at) : ''} ${search.wanted}`;
      let row = rows.get(number);
      if (!row) {
        row = {node: el('div', {}), key: ''};
        rows.set(number, row);
        sheet.append(row.node);
      }
      if (row.key !== key) {
        row.node.replaceChildren(...content_of(number, line, at).filter(Boolean));
        row.key = key;
      }
      const name = `line line-${line?.kind || 'out'}${at >= 0 ? ' line-first' : ''}${number === marked ? ' line-marked' : ''}${number === current ? ' line-current' : ''}`;
      if (row.node.className !== name) row.node.className = name;
      // Rows stand where the eye is, not where their share of the height is.
      row.node.style.top = `${port.scrollTop + (first + index) * row_height - top}px`;
    });
    port.classList.toggle('log-empty', outline.rows === 0);
    count.textContent = lines.trouble || (outline.last ? t('{count} lines', {count: outline.last.toLocaleString()}) : t('nothing yet'));
    found.textContent = !search.wanted ? '' : search.found.length === 0 ? (search.busy ? t('searching…') : t('not found'))
      : `${search.at + 1} / ${search.found.length}${search.full ? '+' : ''}${search.busy ? ' …' : ''}`;
  }

  let former_top = 0;
  port.addEventListener('scroll', () => {
    // Whoever scrolls up wants to read; at the end it goes on by itself.
    const at_end = port.scrollTop + port.clientHeight >= port.scrollHeight - row_height;
    if (!ended && port.scrollTop < former_top - 1 && !at_end) following = follow_box.checked = false;
    else if (!ended && at_end && port.scrollTop > former_top) following = follow_box.checked = true;
    former_top = port.scrollTop;
    requestAnimationFrame(draw);
  });
  const sizes = new ResizeObserver(draw_soon);
  sizes.observe(port);
  sizes.observe(document.querySelector('.run-head'));
  window.addEventListener('resize', draw_soon);
  signal.addEventListener('abort', () => {
    sizes.disconnect();
    window.removeEventListener('resize', draw_soon);
  });

  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    if (event.target.closest?.('input, select, textarea')) return;
    const act = {
      n: () => move(1), p: () => move(-1), g: () => { port.scrollTop = 0; }, G: scroll_to_end,
      f: () => !ended && follow_box.click(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
  document.addEventListener('keydown', press);
  signal.addEventListener('abort', () => document.removeEventListener('keydown', press));

  // The height is known once the rows are counted.
  draw();
  if (marked) reveal(marked);
  else if (following || (ended && run.state === 'failed')) scroll_to_end();
  const tell = outline.tell;
  let settled = !marked && following;
  outline.tell = () => {
    tell();
    if (settled) return;
    settled = true;
    if (marked) reveal(marked);
    else if (run.state === 'failed') requestAnimationFrame(scroll_to_end);
  };

  return {
    update(now) {
      ended = !['queued', 'running'].includes(now.state);
      tools.querySelector('.check').hidden = ended;
      if (ended) following = false;
      draw_soon();
    },
    add(line) {
      lines.put(line);
      outline.add(line);
      search.add(line);
      draw_soon();
    },
    turn(next) {
      marked = Number(next.get('line')) || 0;
      if (marked && (outline.row_of(marked) * row_height < top_of_sight() || outline.row_of(marked) * row_height > top_of_sight() + port.clientHeight)) reveal(marked);
      draw();
      return true;
    },
  };
}
