// A run's way through the house: its stages in order, one line for the run and one for each image.

import {el} from './dom.js';
import {stage_sign} from './parts.js';
import {between, duration, full_time} from './text.js';
import {t} from './words.js';

export function stage_word(name) {
  const [kind] = name.split(':');
  return t(`stage:${kind}`);
}

function stop_of(name, state, begin, end, more) {
  const length = between(begin, end);
  const item = el('li', {class: `stop stop-${state}`, title: `${more || stage_word(name)} · ${full_time(begin)}`},
    el('span', {class: 'stop-name'}, stage_sign(state), stage_word(name)),
    el('span', {class: 'stop-time'}, duration(length)));
  // Long stages are wide, and short ones can still be read.
  item.style.flexGrow = String(Math.max(length, 1));
  return item;
}

function line_of(name, stops) {
  return el('div', {class: 'way-line'}, el('span', {class: 'way-name'}, name), el('ol', {class: 'way'}, stops));
}

export function way(run) {
  const lines = [];
  const queue = run.started || run.state === 'queued'
    ? [stop_of('queue', run.started ? 'done' : 'running', run.created, run.started)] : [];
  const own = run.stages.filter((stage) => !stage.image);
  const of_image = new Map();
  for (const stage of run.stages) {
    if (!stage.image) continue;
    if (!of_image.has(stage.image)) of_image.set(stage.image, []);
    of_image.get(stage.image).push(stage);
  }
  const stops = (stages) => stages.map((stage) => stop_of(stage.name, stage.state, stage.started, stage.ended, stage.name.replace(':', ' ')));
  // With one image there is one way.
  if (of_image.size === 1) {
    const [[image, stages]] = of_image;
    lines.push(line_of(image, [...queue, ...stops(own), ...stops(stages)]));
  } else {
    lines.push(line_of(t('run'), [...queue, ...stops(own)]));
    for (const [image, stages] of of_image) lines.push(line_of(image, stops(stages)));
  }
  return el('div', {class: 'ways', role: 'group', 'aria-label': t('Stages')}, lines);
}
