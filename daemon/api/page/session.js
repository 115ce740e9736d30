// Who looks, and what they may do.

const ranks = ['viewer', 'trigger', 'operator', 'admin'];

export const session = {
  known: false, caller: '', role: 'viewer', sources: [], tokens: false,

  take({caller, role, sources, tokens}) {
    Object.assign(this, {known: true, caller, role, sources, tokens});
  },
  forget() {
    Object.assign(this, {known: false, caller: '', role: 'viewer', sources: []});
  },
  may(role) {
    return this.known && ranks.indexOf(this.role) >= ranks.indexOf(role);
  },
  // What concerns all sources is not for those who are for some.
  may_all(role) {
    return this.may(role) && this.sources.length === 0;
  },
};
