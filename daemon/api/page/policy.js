// What plugins decided about a run, and what they asked to be done.

import {el, show} from './dom.js';
import {empty, table} from './parts.js';
import {stage_word} from './way.js';
import {time} from './text.js';
import {t} from './words.js';

// [[kind, plugin, words]] of a decision, as `lighterman show` tells it; what matters most first.
export function said(decision) {
  const found = [];
  const each = (list, kind, words) => (list || []).forEach((one) => found.push([kind, one.plugin, words(one)]));
  const named = (map, words) => Object.entries(map || {}).forEach(([name, one]) => found.push(['note', one.plugin, words(name, one.value)]));
  each(decision.problems, 'deny', (one) => t('failed: {why}', {why: one.value}));
  each(decision.deny, 'deny', (one) => one.value);
  each(decision.skip, 'skip', (one) => one.value);
  each(decision.tags, 'tag', (one) => [el('code', {}, one.tag), ' ', one.moving ? t('moves') : t('stays'), one.version ? ` (${one.version})` : '']);
  named(decision.args, (name, value) => [t('build argument'), ' ', el('code', {}, `${name}=${value}`)]);
  named(decision.labels, (name, value) => [t('label'), ' ', el('code', {}, `${name}=${value}`)]);
  if (decision.target) found.push(['note', decision.target.plugin, [t('build stage'), ' ', el('code', {}, decision.target.value)]]);
  each(decision.platforms, 'note', (one) => [t('platform'), ' ', el('code', {}, one.value)]);
  each(decision.actions, 'ask', (one) => [one.kind, ' ', el('code', {}, JSON.stringify(one.body))]);
  return found;
}

function decisions_of(run) {
  const found = [];
  for (const stage of run.stages) {
    if (stage.state !== 'done' || !stage.result) continue;
    if (stage.name === 'plan') {
      for (const [image, decision] of Object.entries(stage.result.decisions || {})) found.push({image, stage: 'plan', decision});
    } else if (stage.name === 'gate') {
      found.push({image: stage.image, stage: 'gate', decision: stage.result.decision || {}});
    } else if (stage.name === 'on_published') {
      found.push({image: stage.image, stage: 'on_published', decision: stage.result});
    }
  }
  return found;
}

export function said_list(lines) {
  return el('ul', {class: 'lines said'}, lines.map(([kind, plugin, words]) =>
    el('li', {class: `said-${kind}`}, el('span', {class: 'said-kind'}, t(`said:${kind}`)), el('span', {class: 'said-plugin'}, plugin), el('span', {class: 'said-words'}, words))));
}

function decision_part({image, stage, decision}) {
  const lines = said(decision);
  const denied = lines.some(([kind]) => kind === 'deny');
  return el('section', {class: `card ${denied ? 'card-bad' : ''}`},
    el('h2', {}, stage_word(stage), el('span', {class: 'quiet'}, ` ${image}`), stage === 'gate' ? el('span', {class: denied ? 'bad' : 'good'}, ` ${denied ? t('denied') : t('allowed')}`) : null),
    lines.length === 0 ? empty(t('No plugin had an opinion.')) : said_list(lines));
}

export function policy_tab(place, run) {
  const draw = (now) => {
    const decisions = decisions_of(now);
    const actions = now.actions || [];
    show(place, decisions.length ? decisions.map(decision_part) : empty(t('No plugin was asked yet.')),
      actions.length ? el('section', {class: 'card'}, el('h2', {}, t('What plugins asked for')),
        table([t('State'), t('What'), t('Plugin'), t('Image'), t('Due'), ''], actions.map((action) => el('tr', {},
          el('td', {}, el('span', {class: `state state-${{done: 'succeeded', failed: 'failed'}[action.state] || 'queued'}`}, t(`action:${action.state}`))),
          el('td', {}, action.kind), el('td', {}, action.plugin), el('td', {}, action.image || '–'), el('td', {}, action.state === 'waiting' ? time(action.due) : ''),
          el('td', {}, action.why || el('code', {class: 'quiet'}, JSON.stringify(action.body)))))) ) : null);
  };
  draw(run);
  return {update: draw};
}
