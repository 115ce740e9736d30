// The list of runs, a page at a time; the newest page is live.

import {el, paced, show} from './dom.js';
import {follow, get, post} from './daemon.js';
import {ask} from './dialog.js';
import {choice, commit_chip, empty, notice, ref_chip, state_badge} from './parts.js';
import {session} from './session.js';
import {between, duration, first_line, short_ref, state_word, time} from './text.js';
import {t} from './words.js';

const page_size = 50;
const states = ['queued', 'running', 'succeeded', 'failed', 'denied', 'cancelled', 'superseded', 'skipped'];

export function address_of(query, changes) {
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) value ? next.set(name, value) : next.delete(name);
  const text = next.toString();
  return text ? `?${text}` : '';
}

function took(run) {
  if (!run.started) return el('span', {class: 'quiet'}, run.state === 'queued' ? t('waits {time}', {time: duration(between(run.created))}) : '');
  return duration(between(run.started, run.ended));
}

function row_of(run) {
  const message = first_line(run.event.message) || run.event.reason;
  return el('li', {class: `run run-${run.state}`},
    el('a', {class: 'row-link', href: `#/runs/${run.id}`, 'data-key': `run-${run.id}`, 'aria-label': t('Run {id}, {state}, {source} {ref}', {id: run.id, state: state_word(run.state), source: run.event.source, ref: short_ref(run.event.ref)})},
      el('span', {class: 'run-id'}, `#${run.id}`)),
    state_badge(run.state),
    el('span', {class: 'run-where'}, el('strong', {}, run.event.source), ' ', ref_chip(run.event.ref)),
    el('span', {class: 'run-what'}, commit_chip(run), ' ', el('span', {class: 'message'}, message), run.why ? el('span', {class: 'why'}, ` ${first_line(run.why)}`) : null),
    el('span', {class: 'run-who quiet'}, run.event.author || t(`origin:${run.event.origin}`)),
    el('span', {class: 'run-when quiet'}, time(run.created)),
    el('span', {class: 'run-took'}, took(run)));
}

// The list's rows, made anew only when their run changes: a row must not go while somebody presses on it.
class Rows {
  constructor() {
    this.list = el('ol', {class: 'runs', id: 'runs'});
    this.known = new Map();  // id -> {node, text}
  }

  show(runs) {
    const nodes = runs.map((run) => {
      const text = JSON.stringify(run);
      let row = this.known.get(run.id);
      if (row?.text !== text) {
        const focused = row && row.node.contains(document.activeElement);
        const node = row_of(run);
        row?.node.replaceWith(node);
        this.known.set(run.id, row = {node, text});
        if (focused) node.querySelector('.row-link').focus({preventScroll: true});
      }
      return row.node;
    });
    const kept = new Set(nodes);
    for (const [id, {node}] of this.known) {
      if (kept.has(node)) continue;
      node.remove();
      this.known.delete(id);
    }
    nodes.forEach((node, at) => {
      if (this.list.children[at] !== node) this.list.insertBefore(node, this.list.children[at] || null);
    });
  }

  tick(runs) {
    for (const run of runs) if (!run.ended) this.known.get(run.id)?.node.querySelector('.run-took').replaceChildren(took(run));
  }
}

function build_dialog(sources) {
  ask(t('Build'), t('What stands at this ref is built and published.'), [
    {name: 'source', label: t('Source'), options: sources.map((source) => source.name)},
    {name: 'ref', label: t('Branch, or tag:NAME'), value: 'main', required: true},
    {name: 'reason', label: t('Reason')},
  ], t('Build'), async (given) => {
    const run = await post('runs', given);
    location.hash = `#/runs/${run.id}`;
  });
}

export function runs_view(place, route, signal) {
  const query = route.query;
  const wanted = {source: query.get('source') || '', branch: query.get('branch') || '', state: query.get('state') || ''};
  const cursor = query.get('cursor') || '';
  document.title = `${t('Runs')} · Lighterman`;

  let runs = null, next = null, pages_next, trouble = '', sources = [];
  const rows = new Rows();
  const tools = el('form', {class: 'tools', role: 'search', onsubmit: (event) => {
    event.preventDefault();
    go({branch: event.target.elements.branch.value.trim()});
  }});
  const list = el('div', {});
  place.append(el('h1', {}, t('Runs')), tools, list);

  const go = (changes) => { location.hash = `#/runs${address_of(query, {...changes, cursor: ''})}`; };

  // What is being typed stays: only what has changed is replaced.
  const source_place = el('span', {}), build_place = el('span', {class: 'push'}), live = el('span', {class: 'live', id: 'live'});
  show(tools, source_place,
    el('label', {class: 'field'}, el('span', {}, t('Branch')), el('input', {type: 'search', name: 'branch', value: wanted.branch, placeholder: t('all'), onchange: (event) => go({branch: event.target.value.trim()})})),
    choice(t('State'), 'state', wanted.state, [['', t('all')], ...states.map((state) => [state, state_word(state)])], (state) => go({state})),
    live, build_place);

  function draw_tools() {
    const names = new Set([...sources.map((source) => source.name), wanted.source].filter(Boolean));
    show(source_place, choice(t('Source'), 'source', wanted.source, [['', t('all')], ...[...names].map((name) => [name, name])], (source) => go({source})));
    show(build_place, session.may('trigger') && sources.length > 0 ? el('button', {type: 'button', class: 'main', id: 'build', onclick: () => build_dialog(sources)}, t('Build…')) : null);
  }

  function draw() {
    if (trouble) return show(list, notice('error', trouble));
    if (runs === null) return show(list, empty(t('Loading…')));
    if (runs.length === 0 && !cursor) {
      return show(list, wanted.source || wanted.branch || wanted.state ? empty(t('No run is like this.'))
        : empty(t('No runs yet. Push to a source, or build one by hand.')));
    }
    rows.show(runs);
    if (rows.list.isConnected && pages_next === next) return;
    pages_next = next;
    show(list, rows.list,
      el('nav', {class: 'pages', 'aria-label': t('Pages')},
        cursor ? el('a', {href: `#/runs${address_of(query, {cursor: ''})}`}, t('Newest')) : null,
        next ? el('a', {href: `#/runs${address_of(query, {cursor: next})}`, id: 'older'}, t('Older')) : null));
  }
  const draw_soon = paced(draw, 250, signal);

  function fits(run) {
    return (!wanted.source || run.event.source === wanted.source) && (!wanted.state || run.state === wanted.state) &&
        (!wanted.branch || run.event.ref === `refs/heads/${wanted.branch}`);
  }

  // A run that is told again, in its place; only the newest page grows.
  function take(run) {
    if (runs === null) return;
    const at = runs.findIndex((each) => each.id <= run.id);
    const same = at >= 0 && runs[at].id === run.id;
    if (!fits(run)) {
      if (same) runs.splice(at, 1);
    } else if (same) {
      runs[at] = run;
    } else if (at >= 0) {
      runs.splice(at, 0, run);
    } else if (!next) {
      runs.push(run);
    }
    if (runs.length > page_size) {
      runs.length = page_size;
      next = String(runs.at(-1).id);
    }
    draw_soon();
  }

  async function load() {
    try {
      const page = await get('runs', {...wanted, limit: page_size, cursor}, signal);
      ({runs, next} = page);
      trouble = '';
    } catch (error) {
      if (signal.aborted) return;
      trouble = error.message;
    }
    draw();
    if (!cursor && !trouble) {
      follow('events', {}, {run: take}, signal, (now) => {
        live.className = `live live-${now}`;
        live.textContent = now === 'live' ? t('live') : now === 'waiting' ? t('reconnecting') : '';
      });
    }
  }

  draw_tools();
  draw();
  load();
  get('sources', {}, signal).then((answer) => {
    sources = answer.sources;
    draw_tools();
  }).catch(() => {});
  const ticking = setInterval(() => runs && rows.tick(runs), 1000);
  signal.addEventListener('abort', () => clearInterval(ticking));
}
