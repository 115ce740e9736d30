// What the scanner found in an image, grouped by what brought it, with what to do about it.

import {el, show} from './dom.js';
import {get} from './daemon.js';
import {choice, empty, notice} from './parts.js';
import {images_of} from './run_images.js';
import {day, full_time, safe_link} from './text.js';
import {t} from './words.js';

const severities = ['CRITICAL', 'HIGH', 'MEDIUM', 'LOW', 'UNKNOWN'];
const rank = (finding) => severities.indexOf(finding.severity);
/// So many rows are drawn at first; an image may have thousands.
const rows_at_first = 200;

function fix_of(finding) {
  if (finding.fixed) return t('fixed in {version}', {version: finding.fixed});
  return {
    will_not_fix: t('its distributor will not fix it'), end_of_life: t('its distribution is no longer maintained'),
    fix_deferred: t('its distributor put the fix off'),
  }[finding.status] || t('no fix is known');
}

function place_of(finding) {
  const origin = finding.origin;
  if (!origin) return t('from somewhere in the image');
  if (origin.base) return origin.base;
  if (origin.line > 0) return t('Dockerfile line {line}: {instruction}', origin);
  return origin.instruction || t('from somewhere in the image');
}

function advice_of(group) {
  const base = group.list[0].origin?.base;
  if (!base) return place_of(group.list[0]);
  return group.list.some((finding) => finding.fixed) ? t('update base {base}', {base}) : t('base {base}', {base});
}

function groups_of(list) {
  const groups = new Map();
  for (const finding of [...list].sort((a, b) => rank(a) - rank(b) || a.package.localeCompare(b.package))) {
    const name = finding.waived ? '\u0000' : place_of(finding);
    if (!groups.has(name)) groups.set(name, {waived: Boolean(finding.waived), list: []});
    groups.get(name).list.push(finding);
  }
  return [...groups.values()].sort((a, b) => a.waived - b.waived);
}

function finding_row(finding) {
  const waived = finding.waived;
  return el('li', {class: 'finding'},
    el('span', {class: `severity severity-${finding.severity.toLowerCase()}`}, t(`severity:${finding.severity}`)),
    el('span', {class: 'finding-id'}, safe_link(finding.url, finding.id)),
    el('span', {class: 'finding-package'}, el('strong', {}, finding.package), ' ', finding.installed),
    el('span', {class: finding.fixed ? 'good' : 'quiet'}, waived ? t('waived by {who}: {reason}', waived) : fix_of(finding), waived?.until ? ` (${t('until {day}', {day: day(waived.until)})})` : ''),
    finding.title ? el('span', {class: 'finding-title quiet'}, finding.title) : null);
}

function group_part(group) {
  const list = el('ul', {class: 'findings'}, group.list.slice(0, rows_at_first).map(finding_row));
  const rest = group.list.slice(rows_at_first);
  const more = rest.length ? el('button', {type: 'button', onclick: (event) => {
    list.append(...rest.map(finding_row));
    event.currentTarget.remove();
  }}, t('{count} more', {count: rest.length})) : null;
  return el('section', {class: 'card'}, el('h2', {class: 'advice'}, group.waived ? t('Waived') : advice_of(group), el('span', {class: 'count'}, group.list.length)), list, more);
}

function sums(findings) {
  return el('ul', {class: 'sums'}, severities.filter((each) => findings.counts[each] > 0).map((each) =>
    el('li', {class: `severity severity-${each.toLowerCase()}`}, `${findings.counts[each]} ${t(`severity:${each}`)}`)),
  findings.counts.waived ? el('li', {class: 'quiet'}, t('{count} waived', {count: findings.counts.waived})) : null,
  findings.list.length === 0 ? el('li', {class: 'good'}, t('Nothing was found.')) : null);
}

export function findings_tab(place, run, query, signal) {
  const scanned = run.stages.filter((stage) => stage.name === 'scan').map((stage) => stage.image);
  const names = scanned.length ? scanned : images_of(run);
  const image = query.get('image') || names[0] || '';
  const least = query.get('severity') || '';
  if (!image) {
    place.append(empty(t('No image was built yet.')));
    return {};
  }
  const go = (changes) => {
    const next = new URLSearchParams({image, severity: least, ...changes});
    location.hash = `#/runs/${run.id}/findings?${next}`;
  };
  const tools = el('form', {class: 'tools'},
    names.length > 1 ? choice(t('Image'), 'image', image, names.map((name) => [name, name]), (to) => go({image: to})) : null,
    choice(t('At least'), 'severity', least, [['', t('all')], ...severities.slice(0, 4).map((each) => [each, t(`severity:${each}`)])], (severity) => go({severity})));
  const list = el('div', {id: 'findings'});
  place.append(tools, list);

  const path = `runs/${run.id}/images/${encodeURIComponent(image)}/findings`;
  let shown = '';
  async function load() {
    try {
      const findings = await get(path, {severity: least}, signal);
      shown = 'all';
      show(list, sums(findings), findings.warnings.map((warning) => notice('warn', warning)),
        groups_of(findings.list).map(group_part),
        el('p', {class: 'quiet'}, t('scanned by {scanner} {version} at {time}', {scanner: findings.scanner, version: findings.scanner_version, time: full_time(findings.scanned)}),
          findings.database_time ? [' · ', t('its database was of {time}', {time: full_time(findings.database_time)})] : '',
          ' · ', ['sarif', 'cyclonedx', 'json'].map((format) => [el('a', {href: `api/v1/${path}?format=${format}`, download: `findings-${run.id}-${image}.${format}.json`}, format), ' '])));
    } catch (error) {
      if (!signal.aborted) show(list, error.status === 404 ? empty(error.message) : notice('error', error.message));
    }
  }
  load();
  return {
    update(now) {
      const scan = now.stages.find((stage) => stage.name === 'scan' && stage.image === image);
      if (shown !== 'all' && scan?.state === 'done') load();
    },
  };
}
