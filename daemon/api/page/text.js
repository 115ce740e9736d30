// Values as people read them, in their language.

import {language, t} from './words.js';
import {el} from './dom.js';

const units = ['B', 'kB', 'MB', 'GB', 'TB'];

export function size(bytes) {
  let unit = 0, value = bytes || 0;
  for (; value >= 999.5 && unit + 1 < units.length; ++unit) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(value < 9.95 ? 1 : 0)} ${units[unit]}`;
}

export function duration(milliseconds) {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor(minutes / 60) % 24} h`;
}

const moment = (text) => new Date(text).getTime();

// Milliseconds between two times of the interface; an end that is missing is now.
export function between(begin, end) {
  return begin ? (end ? moment(end) : Date.now()) - moment(begin) : 0;
}

const steps = [[60, 'second'], [60, 'minute'], [24, 'hour'], [30, 'day'], [12, 'month'], [1e9, 'year']];

function ago(text) {
  let value = (moment(text) - Date.now()) / 1000;
  for (const [most, unit] of steps) {
    if (Math.abs(value) < most) return new Intl.RelativeTimeFormat(language(), {numeric: 'auto', style: 'short'}).format(Math.round(value), unit);
    value /= most;
  }
  return '';
}

export function full_time(text) {
  return new Intl.DateTimeFormat(language(), {dateStyle: 'medium', timeStyle: 'medium'}).format(new Date(text));
}

export function day(text) {
  return new Intl.DateTimeFormat(language(), {dateStyle: 'medium'}).format(new Date(text));
}

export function time(text) {
  return text ? el('time', {datetime: text, title: full_time(text)}, ago(text)) : '';
}

export function clock(text) {
  return new Date(text).toLocaleTimeString('en-GB');
}

export function short_ref(ref) {
  return ref.replace(/^refs\/(heads|tags)\//, '');
}

export const is_tag = (ref) => ref.startsWith('refs/tags/');

export function short_digest(digest) {
  return (digest || '').replace(/^sha256:/, '').slice(0, 12);
}

export function first_line(text) {
  return (text || '').split('\n', 1)[0];
}

export function commit_of(run) {
  return run.commit || run.event.commit || '';
}

export function state_word(state) {
  return t(`state:${state}`);
}

// Only these become links: a scanner's report may hold anything.
export function safe_link(url, text) {
  return /^https?:\/\//.test(url || '')
    ? el('a', {href: url, rel: 'noopener noreferrer', target: '_blank'}, text)
    : document.createTextNode(text);
}
