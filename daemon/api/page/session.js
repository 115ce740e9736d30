// Who looks, and what they may do.

const ranks = ['viewer', 'trigger', 'operator', 'admin'];

export const session = {
  known: false, caller: '', role: 'viewer', tokens: false,

  take({caller, role, tokens}) {
    Object.assign(this, {known: true, caller, role, tokens});
  },
  forget() {
    Object.assign(this, {known: false, caller: '', role: 'viewer'});
  },
  may(role) {
    return this.known && ranks.indexOf(this.role) >= ranks.indexOf(role);
  },
};
