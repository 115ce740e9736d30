// The sections of a log, and which of its lines are to be seen when some are folded. Rows count what is
// to be seen, numbers are the log's.

import {get} from './daemon.js';

const most_sections = 20000;

export class Outline {
  constructor(run, last, signal, tell) {
    Object.assign(this, {run, last, signal, tell});
    this.sections = [];
    this.seen = 0;
    this.folded = new Set();  // by first line
    this.starts = [];
    this.count();
    this.load();
  }

  async load() {
    for (let after = 0; after !== null && !this.signal.aborted;) {
      let page;
      try {
        page = await get(`runs/${this.run}/log/outline`, {after}, this.signal);
      } catch {
        return;  // then it cannot be folded, and is shown whole
      }
      page.sections.forEach((section) => this.add_section(section));
      this.seen = Math.max(this.seen, page.last);
      after = page.next;
      this.count();
      this.tell();
    }
  }

  same(section) {
    const former = this.sections.at(-1);
    return former && !section.step && former.image === section.image && former.stage === section.stage;
  }

  add_section(section) {
    const former = this.sections.at(-1);
    if (former && section.first <= former.first) return;
    if (this.same(section)) {
      former.warnings += section.warnings;
      former.errors += section.errors;
    } else if (this.sections.length < most_sections) {
      this.sections.push(section);
    }
  }

  // A line that has just been written.
  add(line) {
    this.last = Math.max(this.last, line.number);
    if (line.number <= this.seen) return;
    this.seen = line.number;
    this.add_section({first: line.number, image: line.image, stage: line.stage, step: line.kind === 'step' ? line.text : '',
      warnings: line.kind === 'warn' ? 1 : 0, errors: line.kind === 'error' ? 1 : 0});
    this.count();
  }

  // starts[i]: the row of section i's first line; folded ones have one row.
  count() {
    this.starts = [];
    const begin = this.sections[0]?.first ?? this.last + 1;
    let row = begin - 1;
    for (let at = 0; at < this.sections.length; ++at) {
      this.starts.push(row);
      row += this.folded.has(this.sections[at].first) ? 1 : this.length_of(at);
    }
    this.rows = row;
  }

  length_of(at) {
    return (at + 1 < this.sections.length ? this.sections[at + 1].first : this.last + 1) - this.sections[at].first;
  }

  // The last section that begins at or before, by a growing list.
  static at_or_before(list, value, read) {
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (read(list[middle]) <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  number_at(row) {
    const at = Outline.at_or_before(this.starts, row, (start) => start);
    return at < 0 ? row + 1 : this.sections[at].first + (row - this.starts[at]);
  }

  section_of(number) {
    return Outline.at_or_before(this.sections, number, (section) => section.first);
  }

  section_that_begins(number) {
    const at = this.section_of(number);
    return at >= 0 && this.sections[at].first === number ? at : -1;
  }

  row_of(number) {
    const at = this.section_of(number);
    if (at < 0) return number - 1;
    return this.starts[at] + (this.folded.has(this.sections[at].first) ? 0 : number - this.sections[at].first);
  }

  fold(first, yes) {
    if (yes) this.folded.add(first);
    else this.folded.delete(first);
    this.count();
  }

  fold_all(yes) {
    this.folded = new Set(yes ? this.sections.map((section) => section.first) : []);
    this.count();
  }

  // Makes a line visible.
  reveal(number) {
    const at = this.section_of(number);
    if (at >= 0 && this.folded.has(this.sections[at].first) && this.sections[at].first !== number) this.fold(this.sections[at].first, false);
  }
}
