// How runs went lately: how long they took and waited, how many bytes the layers cost, and how large the images are.

import {el, show, svg} from './dom.js';
import {get} from './daemon.js';
import {choice, empty, notice} from './parts.js';
import {bytes_of} from './layers.js';
import {address_of} from './runs.js';
import {between, duration, full_time, size, state_word} from './text.js';
import {t} from './words.js';

const runs_looked_at = 100;
const details_looked_at = 40;
const details = new Map();  // of runs that have ended, for when the view is opened again

function middle(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] : 0;
}

// Bars from the oldest to the newest run; `parts` of each run are [class, value] from the ground up, and `tell` puts
// them into words.
function chart(name, runs, parts, render, summary, legend = null, tell = (values) => values.map(render).join(' + ')) {
  const width = 720, high = 140;
  const all = runs.map(parts);
  const sum = (list) => list.reduce((total, [, value]) => total + value, 0);
  const most = Math.max(1, ...all.map(sum));
  const step = width / Math.max(runs.length, 20);
  const bars = runs.map((run, at) => {
    let ground = high;
    const boxes = all[at].map(([kind, value]) => {
      const tall = value / most * high;
      ground -= tall;
      return svg('rect', {class: kind, x: at * step + 1, y: ground, width: Math.max(1, step - 2), height: Math.max(tall, value > 0 ? 1 : 0)});
    });
    return svg('a', {href: `#/runs/${run.id}`, 'aria-label': `#${run.id} ${render(sum(all[at]))}`}, svg('title', {}, `#${run.id} ${run.event.source} · ${state_word(run.state)} · ${tell(all[at].map(([, value]) => value))} · ${full_time(run.created)}`),
      svg('rect', {class: 'hit', x: at * step, y: 0, width: step, height: high}), boxes);
  });
  return el('section', {class: 'card chart'}, el('h2', {}, name), el('p', {class: 'quiet'}, summary), legend,
    el('div', {class: 'plot'}, el('span', {class: 'most quiet'}, render(most)), svg('svg', {viewBox: `0 0 ${width} ${high}`, role: 'group', 'aria-label': `${name}: ${summary}`, preserveAspectRatio: 'none'}, bars)));
}

function layers_of(run) {
  return run.stages.filter((stage) => stage.name.startsWith('publish:') && stage.state === 'done').flatMap((stage) => stage.result.layers || []);
}

// What the engine holds of a run's images, unpacked, against what was published of them, compressed. Several
// registries hold the same image, and an index the images of its platforms.
export function sizes_of(run) {
  const sums = {engine: 0, published: 0};
  for (const built of run.stages.filter((stage) => stage.name === 'engine' && stage.state === 'done')) {
    const published = run.stages.find((stage) => stage.image === built.image && stage.name.startsWith('publish:') && stage.state === 'done');
    if (!published || !built.result.size_bytes) continue;
    sums.engine += built.result.size_bytes;
    sums.published += (published.result.layers || []).reduce((sum, layer) => sum + (layer.blob.size || 0), 0);
  }
  return sums;
}

const swatch = (kind, text) => el('li', {}, el('span', {class: `swatch ${kind}`, 'aria-hidden': 'true'}), text);

function sizes_chart(runs, of) {
  const known = runs.filter((run) => of(run).engine > 0);
  if (known.length === 0) return null;
  const first = of(known[0]), last = of(known[known.length - 1]);
  const both = (published, more) => t('{published} published, {engine} in the engine', {published: size(published), engine: size(published + more)});
  return chart(t('Size of the images'), known, (run) => [['size-published', of(run).published], ['size-engine', Math.max(0, of(run).engine - of(run).published)]], size,
    t('{now} published, {engine} in the engine; {then} published at the left end', {now: size(last.published), engine: size(last.engine), then: size(first.published)}),
    el('ul', {class: 'legend'}, swatch('size-published', t('published, compressed')), swatch('size-engine', t('in the engine, unpacked'))), ([published, more]) => both(published, more));
}

async function with_details(runs, signal) {
  const waiting = runs.filter((run) => !details.has(run.id));
  const work = async () => {
    for (let run; (run = waiting.shift()) && !signal.aborted;) {
      const whole = await get(`runs/${run.id}`, {}, signal);
      details.set(run.id, {...bytes_of(layers_of(whole)), ...sizes_of(whole)});
      if (details.size > 500) details.delete(details.keys().next().value);
    }
  };
  await Promise.all([work(), work(), work(), work()]);
}

export function trends_view(place, route, signal) {
  const source = route.query.get('source') || '';
  document.title = `${t('Trends')} · Lighterman`;
  const tools = el('form', {class: 'tools'}), times = el('div', {}, empty(t('Loading…'))), bytes = el('div', {});
  place.append(el('h1', {}, t('Trends')), tools, times, bytes);
  get('sources', {}, signal).then((answer) => show(tools, choice(t('Source'), 'source', source, [['', t('all')], ...answer.sources.map((each) => [each.name, each.name])],
    (value) => { location.hash = `#/trends${address_of(route.query, {source: value})}`; }))).catch(() => {});

  async function load() {
    const page = await get('runs', {source, limit: runs_looked_at}, signal);
    const runs = page.runs.filter((run) => run.started && run.ended).reverse();
    if (runs.length === 0) return show(times, empty(t('No run has ended yet.')));
    const took = runs.map((run) => between(run.started, run.ended)), waited = runs.map((run) => between(run.created, run.started));
    const good = runs.filter((run) => run.state === 'succeeded').length;
    show(times,
      el('dl', {class: 'facts big'},
        [[t('Runs'), runs.length], [t('Published'), `${Math.round(good / runs.length * 100)} %`], [t('Typical duration'), duration(middle(took, 0.5))], [t('Slow ones'), duration(middle(took, 0.95))], [t('Typical wait'), duration(middle(waited, 0.5))]]
          .map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)))),
      chart(t('Duration'), runs, (run) => [[`bar-${run.state}`, between(run.started, run.ended)]], duration, t('half of them within {half}, 95 of 100 within {most}', {half: duration(middle(took, 0.5)), most: duration(middle(took, 0.95))})),
      chart(t('Queue'), runs, (run) => [['bar-queued', between(run.created, run.started)]], duration, t('half of them within {half}, 95 of 100 within {most}', {half: duration(middle(waited, 0.5)), most: duration(middle(waited, 0.95))})));
    const published = runs.filter((run) => run.state === 'succeeded').slice(-details_looked_at);
    if (published.length === 0) return;
    await with_details(published, signal);
    const of = (run) => details.get(run.id) || {sent: 0, mounted: 0, present: 0, engine: 0, published: 0};
    const sent = published.reduce((sum, run) => sum + of(run).sent, 0);
    const saved = published.reduce((sum, run) => sum + of(run).mounted + of(run).present, 0);
    show(bytes, chart(t('Bytes sent and saved'), published, (run) => [['layer-sent', of(run).sent], ['layer-mounted', of(run).mounted], ['layer-present', of(run).present]], size,
      t('{sent} sent, {saved} saved', {sent: size(sent), saved: size(saved)})), sizes_chart(published, of));
  }
  load().catch((error) => signal.aborted || show(times, notice('error', error.message)));
}
