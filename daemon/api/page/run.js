// One run: what it is, its way, and behind tabs its log, images, findings and decisions.

import {el, paced, show} from './dom.js';
import {follow, get, post} from './daemon.js';
import {ask} from './dialog.js';
import {commit_chip, empty, fact, notice, ref_chip, state_badge, toast} from './parts.js';
import {session} from './session.js';
import {between, duration, first_line, short_ref, state_word, time} from './text.js';
import {t} from './words.js';
import {way} from './way.js';
import {images_of, images_tab} from './run_images.js';
import {findings_tab} from './findings.js';
import {policy_tab} from './policy.js';
import {log_tab} from './log_view.js';

const ended = (run) => !['queued', 'running'].includes(run.state);

// What somebody who comes for this run most likely wants to see.
function tab_for(run) {
  if (run.state === 'succeeded') return 'images';
  if (run.state === 'denied') return 'policy';
  return 'log';
}

export function run_view(place, route, signal) {
  const id = route.parts[1];
  let run = null, line = '', tab = route.parts[2] || '', tab_body = null, tab_stop = null, query = route.query;
  document.title = `#${id} · Lighterman`;

  const title = el('div', {class: 'run-title'}), facts = el('div', {});
  const head = el('section', {class: 'run-head'}, title, facts);
  let titled = '';
  const tabs = el('nav', {class: 'tabs', 'aria-label': t('Parts of the run')});
  const body = el('div', {class: 'tab-body'});
  place.append(head, tabs, body);

  function buttons() {
    const act = (name, text, verb, kind, fields) => el('button', {type: 'button', id: name, 'data-key': name, class: kind, onclick: () => ask(text, '', fields, verb, async (given) => {
      const told = await post(`runs/${run.id}/${name}`, given);
      if (told.id !== run.id) {
        location.hash = `#/runs/${told.id}`;
      } else {
        toast('ok', t('Done.'));
        location.hash = `#/runs/${run.id}/log`;
        restart();
      }
    }, kind)}, verb);
    const reason = [{name: 'reason', label: t('Reason')}];
    const found = [];
    if (session.may('operator') && run.state === 'denied')
      found.push(act('allow', t('Publish it although it was denied'), t('Allow'), 'danger', [{name: 'reason', label: t('Reason'), required: true, hint: t('Whoever looks at the image later wants to know it')}]));
    if (session.may('trigger') && ended(run)) found.push(act('retry', t('Build the same commit again'), t('Retry'), '', reason));
    if (session.may('trigger') && !ended(run) && !run.cancel_wanted) found.push(act('cancel', t('Cancel this run'), t('Cancel run'), 'danger', reason));
    return found;
  }

  function draw_head() {
    const event = run.event;
    // Buttons stay while somebody presses on them.
    const now = [run.state, run.cancel_wanted, line].join();
    if (now !== titled) {
      titled = now;
      show(title,
        el('h1', {}, `#${run.id} `, el('span', {class: 'title-source'}, event.source), ' ', ref_chip(event.ref)), state_badge(run.state),
        el('span', {class: `live live-${line}`, id: 'live'}, line === 'live' ? t('live') : line === 'waiting' ? t('reconnecting') : ''),
        el('div', {class: 'buttons'}, buttons()));
    }
    show(facts,
      event.message ? el('p', {class: 'run-message'}, first_line(event.message)) : null,
      run.why ? notice(['failed', 'denied'].includes(run.state) ? 'error' : 'info', run.why) : null,
      run.allowed ? notice('warn', t('Allowed by {who}: {reason}', run.allowed)) : null,
      run.cancel_wanted && !ended(run) ? notice('warn', t('It is asked to stop.')) : null,
      el('dl', {class: 'facts'},
        fact(t('Commit'), commit_chip(run) || '–'),
        event.author ? fact(t('By'), event.author) : null,
        fact(t('Came by'), t(`origin:${event.origin}`), event.forge ? ` (${event.forge})` : ''),
        fact(t('Came'), time(run.created)),
        run.started ? fact(t('Took'), duration(between(run.started, run.ended))) : null,
        run.attempt > 1 ? fact(t('Attempts'), run.attempt) : null,
        run.retry_of ? fact(t('Retry of'), el('a', {href: `#/runs/${run.retry_of}`}, `#${run.retry_of}`)) : null,
        event.reason ? fact(t('Reason'), event.reason) : null),
      way(run));
    document.title = `#${run.id} ${state_word(run.state)} · ${event.source} ${short_ref(event.ref)} · Lighterman`;
  }

  const counts = {
    images: () => images_of(run).length,
    policy: () => run.actions?.length || 0,
    findings: () => run.stages.filter((stage) => stage.name === 'scan' && stage.state === 'done')
      .reduce((sum, stage) => sum + Object.values(stage.result.counts || {}).reduce((all, each) => all + (Number(each) || 0), 0), 0),
  };

  function draw_tabs() {
    const now = tab || tab_for(run);
    const link = (name, text) => {
      const count = counts[name]?.();
      return el('a', {href: `#/runs/${id}/${name}`, 'data-key': `tab-${name}`, 'aria-current': now === name ? 'page' : null}, text, count ? el('span', {class: 'count'}, count) : null);
    };
    show(tabs, link('images', t('Images')), link('log', t('Log')), link('findings', t('Findings')), link('policy', t('Policy')));
  }

  const views = {log: log_tab, images: images_tab, findings: findings_tab, policy: policy_tab};

  function open_tab() {
    tab_stop?.abort();
    tab_stop = new AbortController();
    const name = tab || tab_for(run);
    body.replaceChildren();
    body.className = `tab-body tab-${name}`;
    tab_body = views[name] ? views[name](body, run, query, tab_stop.signal) : null;
    if (!tab_body) body.append(empty(t('There is no such view.')));
  }

  function draw() {
    draw_head();
    draw_tabs();
    tab_body?.update?.(run);
  }
  const draw_soon = paced(draw, 200, signal);

  function take_stage(stage) {
    const at = run.stages.findIndex((each) => each.name === stage.name && each.image === stage.image);
    if (at >= 0) run.stages[at] = stage;
    else run.stages.push(stage);
    draw_soon();
  }

  let stream_stop = null;
  function restart() {
    stream_stop?.abort();
    stream_stop = new AbortController();
    const stop = stream_stop.signal;
    load(stop);
  }

  async function load(stop) {
    try {
      const last = (await get(`runs/${id}/log`, {limit: 1, after: 0}, stop)).last;
      run = await get(`runs/${id}`, {}, stop);
      run.last_line = last;
    } catch (error) {
      if (!stop.aborted) show(body, notice('error', error.message));
      return;
    }
    draw_head();
    draw_tabs();
    open_tab();
    if (ended(run)) return;
    follow(`runs/${id}/events`, {after: run.last_line}, {
      stage: take_stage,
      run: (told) => {
        Object.assign(run, told);
        draw_soon();
      },
      line: (told) => {
        run.last_line = Math.max(run.last_line, told.number);
        tab_body?.add?.(told);
      },
      end: async () => {
        // Actions are told by the whole run alone.
        const whole = await get(`runs/${id}`, {}, stop).catch(() => null);
        if (!whole || stop.aborted) return;
        run = {...whole, last_line: run.last_line};
        draw();
        if (!tab && tab_for(run) !== 'log') draw_tabs();
      },
    }, stop, (now) => {
      line = now;
      draw_soon();
    });
  }

  signal.addEventListener('abort', () => {
    stream_stop?.abort();
    tab_stop?.abort();
  });
  const ticking = setInterval(() => run && !ended(run) && draw_head(), 1000);
  signal.addEventListener('abort', () => clearInterval(ticking));
  show(body, empty(t('Loading…')));
  restart();

  return (next) => {
    const other = (next.parts[2] || '') !== tab;
    tab = next.parts[2] || '';
    query = next.query;
    if (!run) return true;
    draw_tabs();
    if (other || !tab_body?.turn?.(query)) open_tab();
    return true;
  };
}
