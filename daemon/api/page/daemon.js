// The daemon's interface. The session is a cookie that scripts cannot read; the header says that a
// page of this site asks, which no other site's page can say.

const base = new URL('api/v1/', document.baseURI);

export class Refusal extends Error {
  constructor(status, detail, title) {
    super(detail || title || `HTTP ${status}`);
    this.status = status;
  }
}

let on_logged_out = () => {};
export function when_logged_out(tell) {
  on_logged_out = tell;
}

export function url_of(path, parameters) {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(parameters || {})) {
    if (value !== '' && value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

async function ask(method, path, {parameters, body, signal} = {}) {
  const headers = {Accept: 'application/json'};
  if (method !== 'GET') headers['X-Lighterman'] = 'page';
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let reply;
  try {
    reply = await fetch(url_of(path, parameters), {
      method, headers, signal, credentials: 'same-origin',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refusal(0, '', 'The daemon cannot be reached');
  }
  const answer = reply.status === 204 ? null : await reply.json().catch((error) => {
    if (error.name === 'AbortError') throw error;
    return null;  // a proxy's page
  });
  if (reply.ok) return answer;
  if (reply.status === 401 && path !== 'session') on_logged_out();
  throw new Refusal(reply.status, answer?.detail, answer?.title);
}

export const get = (path, parameters, signal) => ask('GET', path, {parameters, signal});
export const post = (path, body = {}) => ask('POST', path, {body});
export const remove = (path) => ask('DELETE', path);

// Follows events until `signal`; the browser comes again by itself when the line breaks. `on` has a
// function for each kind of event, and `state` is told "live", "waiting" or "ended".
export function follow(path, parameters, on, signal, state = () => {}) {
  const stream = new EventSource(url_of(path, parameters));
  const close = () => stream.close();
  signal.addEventListener('abort', close);
  stream.onopen = () => state('live');
  stream.onerror = async () => {
    if (signal.aborted) return;
    state('waiting');
    if (stream.readyState !== EventSource.CLOSED) return;
    // The daemon said no, and the browser does not try again after that.
    try {
      await get('session', {}, signal);
      setTimeout(() => signal.aborted || follow(path, parameters, on, signal, state), 5000);
    } catch (error) {
      if (error.status === 401) on_logged_out();
      else if (!signal.aborted) setTimeout(() => signal.aborted || follow(path, parameters, on, signal, state), 5000);
    }
  };
  for (const [kind, take] of Object.entries(on)) {
    stream.addEventListener(kind, (event) => {
      if (kind === 'end') {
        close();
        state('ended');
      }
      take(JSON.parse(event.data), event);
    });
  }
}
