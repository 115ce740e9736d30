// Which view is shown, and the bar above it. Views live behind the #: "#/runs/12/log?line=3".

import {el, show} from './dom.js';
import {get, remove, when_logged_out} from './daemon.js';
import {show_keys} from './dialog.js';
import {notice} from './parts.js';
import {language, switch_language, t} from './words.js';
import {session} from './session.js';
import {runs_view} from './runs.js';
import {run_view} from './run.js';
import {images_view} from './images.js';
import {replicas_view} from './replicas.js';
import {trends_view} from './trends.js';
import {status_view} from './status.js';
import {why_view} from './why.js';
import {tokens_view} from './tokens.js';
import {audit_view} from './audit.js';
import {login_view} from './login.js';

const main = document.getElementById('main');
const bar = document.getElementById('bar');

// What the view now shown is: told to go by `stop`, and asked first whether it can show another
// route itself (another tab, another line).
let shown = {name: '', stop: null, turn: null};

export function route_of(hash) {
  const [path, query] = (hash.replace(/^#\/?/, '') || 'runs').split('?');
  return {parts: path.split('/').filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query || '')};
}

const views = {
  runs: runs_view, images: images_view, why: why_view, replicas: replicas_view, trends: trends_view, status: status_view,
  tokens: tokens_view, audit: audit_view,
};

function draw_bar() {
  const at = route_of(location.hash).parts[0];
  const here = at === 'why' ? 'images' : at;
  const link = (name, text) => el('a', {href: `#/${name}`, 'aria-current': here === name ? 'page' : null}, text);
  show(bar,
    el('a', {class: 'brand', href: '#/runs'}, 'Lighterman'),
    session.known ? el('nav', {'aria-label': t('Views')}, link('runs', t('Runs')), link('images', t('Images')), link('replicas', t('Replicas')), link('trends', t('Trends')), link('status', t('Status')),
      session.may_all('admin') ? [link('tokens', t('Tokens')), link('audit', t('Audit'))] : null) : null,
    el('div', {class: 'bar-end'},
      session.known && session.caller ? el('span', {class: 'caller', title: t('role: {role}', {role: session.role})}, session.caller, el('span', {class: 'quiet'}, ` ${t(`role:${session.role}`)}`)) : null,
      el('button', {type: 'button', class: 'plain', 'data-key': 'keys', title: t('Keyboard'), 'aria-label': t('Keyboard'), onclick: show_keys}, '?'),
      el('button', {type: 'button', class: 'plain', id: 'language', 'data-key': 'language', lang: language() === 'zh-CN' ? 'en' : 'zh', onclick: () => {
        switch_language();
        draw(true);
      }}, language() === 'zh-CN' ? 'English' : '中文'),
      session.known && session.tokens ? el('button', {type: 'button', class: 'plain', id: 'logout', onclick: log_out}, t('Log out')) : null));
  // On a phone the views are a line that scrolls.
  bar.querySelector('nav [aria-current]')?.scrollIntoView({block: 'nearest', inline: 'nearest'});
  document.documentElement.lang = language() === 'zh-CN' ? 'zh' : 'en';
  document.getElementById('skip').textContent = t('Skip to content');
}

async function log_out() {
  await remove('session').catch(() => {});
  session.forget();
  draw(true);
}

function begin(name, view, route) {
  shown.stop?.abort();
  const stop = new AbortController();
  // Who works with a filter goes on working with it in what it leads to.
  const at = shown.name === name && main.contains(document.activeElement) ? document.activeElement.name : '';
  shown = {name, stop, turn: null};
  main.replaceChildren();
  const turn = view(main, route, stop.signal);
  if (shown.stop === stop) shown.turn = turn || null;
  if (at) main.querySelector(`[name="${CSS.escape(at)}"]`)?.focus();
}

export function draw(again = false) {
  draw_bar();
  if (!session.known) {
    document.title = `${t('Log in')} · Lighterman`;
    begin('login', (place) => login_view(place, () => draw(true)), null);
    return;
  }
  const route = route_of(location.hash);
  const one_run = route.parts[0] === 'runs' && route.parts.length > 1;
  const name = one_run ? `run ${route.parts[1]}` : route.parts[0];
  if (!again && shown.name === name && shown.turn?.(route)) return;
  const view = one_run ? run_view : views[route.parts[0]];
  if (!view) {
    begin('nothing', (place) => place.append(notice('error', t('There is no such view.'))), route);
    return;
  }
  begin(name, view, route);
  if (!again) window.scrollTo(0, 0);
}

when_logged_out(() => {
  if (!session.known) return;
  session.forget();
  draw(true);
});

window.addEventListener('hashchange', () => draw());
document.getElementById('skip').addEventListener('click', (event) => {
  event.preventDefault();  // the # is taken by the views
  main.focus();
});

function typing(event) {
  return event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]') ||
      event.target.closest?.('input, select, textarea');
}

document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && event.target.matches?.('input')) event.target.blur();
  if (typing(event)) return;
  if (event.key === '?') show_keys();
  else if (event.key === '/') {
    const input = main.querySelector('input[type=search]');
    if (!input) return;
    event.preventDefault();
    input.focus();
    input.select();
  } else if (event.key === 'j' || event.key === 'k') {
    const rows = [...main.querySelectorAll('a.row-link')];
    if (rows.length === 0) return;
    const at = rows.indexOf(document.activeElement);
    rows[Math.min(rows.length - 1, Math.max(0, at + (event.key === 'j' ? 1 : -1)))].focus();
  }
});

async function open() {
  draw_bar();
  try {
    session.take(await get('session'));
  } catch (error) {
    if (error.status !== 401) {
      main.replaceChildren(notice('error', error.message));
      return;
    }
  }
  draw();
}
open();
