// The connection to the API: the stream of states, commands, and the token for both.
const FIRST_PAUSE = 500; // ms before the first new try; doubled up to the longest
const LONGEST_PAUSE = 10_000;
const SILENCE = 6_000; // a state comes every second; after this the connection is given up
const CROWDED_PAUSE = 2_000; // between states that are asked for one by one
const HIDDEN_PAUSE = 10_000; // the same while nobody looks
const COMMAND_LIMIT = 15_000;
const EVENT_MAX = 64 * 1024 * 1024; // characters of one event
const TOKEN_KEY = 'mcplb-token';

/** Storage that may be forbidden to this page. */
function stored(storage, key, value) {
  try {
    const place = window[storage];
    if (value === undefined) return place.getItem(key) ?? '';
    if (value === '') place.removeItem(key);
    else place.setItem(key, value);
  } catch {
    // Then it is kept for as long as the page is open.
  }
  return '';
}

class Contact {
  #hooks;
  #token = stored('sessionStorage', TOKEN_KEY);
  #tries = 0;
  #wake = () => {};
  #isWoken = false; // since this reading began: it is not followed by a pause
  #stream = null; // the Silence of the stream that is read

  /**
   * `hooks`: state(object) for each that arrives, live(), lost(why, milliseconds until the next
   * try), token(wrong) when one is needed; its promise is awaited.
   */
  constructor(hooks) {
    this.#hooks = hooks;
  }

  get hasToken() {
    return this.#token !== '';
  }

  set token(token) {
    this.#token = token;
    stored('sessionStorage', TOKEN_KEY, token);
  }

  retry() {
    this.#tries = 0;
    this.#isWoken = true;
    this.#wake();
  }

  /** Ends the stream of a page that nobody sees: browsers and mcplb have few of them. */
  rest() {
    this.#stream?.end();
  }

  /** Runs for as long as the page is open. */
  async run() {
    for (;;) {
      const why = await this.#read().catch(reasonOf);
      if (why === '') continue;
      if (why === 'unauthorized') {
        const had = this.hasToken;
        this.token = '';
        this.token = await this.#hooks.token(had);
        continue;
      }
      const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#tries);
      this.#tries = Math.min(this.#tries + 1, 10);
      const spread = pause * (0.75 + Math.random() / 2); // many pages may have lost the same mcplb
      this.#hooks.lost(why, spread);
      await this.#pause(spread);
    }
  }

  #pause(ms) {
    if (this.#isWoken) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Returns why contact was lost, or nothing when it was not. */
  async #read() {
    this.#isWoken = false;
    if (document.hidden) return this.#glance(HIDDEN_PAUSE);
    const why = await this.#follow();
    return why === 'crowded' ? this.#glance(CROWDED_PAUSE) : why;
  }

  /** One state, and a pause. */
  async #glance(pause) {
    const { status, body } = await this.ask('api/state');
    if (status === 401) return 'unauthorized';
    if (status === 0) return body.message;
    if (status !== 200 || !body.status) return `it answers ${status}`;
    this.#take(body);
    await this.#pause(pause);
    return '';
  }

  /** Reads states until the connection ends; returns why it ended. */
  async #follow() {
    const silence = new Silence();
    this.#stream = silence;
    try {
      const answer = await fetch('api/events', this.#options({ signal: silence.signal }));
      if (answer.status === 401) return 'unauthorized';
      if (answer.status === 503) return 'crowded';
      if (!answer.ok) return `it answers ${answer.status}`;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const events = new EventReader((data) => this.#take(asObject(JSON.parse(data))));
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return 'it ended the connection';
        silence.over();
        events.add(value);
      }
    } catch (error) {
      if (silence.isEnded) return '';
      throw error;
    } finally {
      silence.end();
    }
  }

  #take(state) {
    this.#tries = 0;
    this.#hooks.live();
    try {
      this.#hooks.state(state);
    } catch (error) {
      reportError(error); // a mistake of this page is no loss of contact
    }
  }

  #options({ headers = {}, ...more } = {}) {
    const authorization = this.hasToken ? { Authorization: `Bearer ${this.#token}` } : {};
    return { cache: 'no-store', ...more, headers: { ...authorization, ...headers } };
  }

  /** {ok, status, body}; status 0 when there was no answer. Never throws. */
  async ask(path, method = 'GET') {
    const command = { body: '{}', headers: { 'Content-Type': 'application/json' } };
    try {
      const signal = AbortSignal.timeout(COMMAND_LIMIT);
      const more = { method, signal, ...(method === 'GET' ? {} : command) };
      const answer = await fetch(path, this.#options(more));
      const body = await answer.json().catch(() => ({}));
      return { ok: answer.ok, status: answer.status, body: asObject(body) };
    } catch (error) {
      return { ok: false, status: 0, body: { message: reasonOf(error) } };
    }
  }
}

const reasonOf = (error) => {
  if (error instanceof SyntaxError) return 'it answers something else than JSON';
  return error instanceof TypeError ? 'it cannot be reached' : error.message;
};

/** Ends what nothing is heard of. */
class Silence {
  isEnded = false; // by us
  #controller = new AbortController();
  #timer;

  constructor() {
    this.over();
  }

  get signal() {
    return this.#controller.signal;
  }

  over() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#abort(), SILENCE);
  }

  #abort() {
    this.#controller.abort(new Error(`nothing was heard for ${duration(SILENCE / 1000)}`));
  }

  end() {
    this.isEnded = true;
    clearTimeout(this.#timer);
    this.#controller.abort();
  }
}

/** Server-sent events out of text that comes in pieces. */
class EventReader {
  #rest = '';
  #data = [];
  #onData;

  constructor(onData) {
    this.#onData = onData;
  }

  add(text) {
    this.#rest += text;
    if (this.#rest.length > EVENT_MAX) throw new Error('it sends too much');
    if (!text.includes('\n')) return;
    const lines = this.#rest.split(/\r\n|\n/);
    this.#rest = lines.pop();
    lines.forEach((line) => this.#line(line));
  }

  #line(line) {
    if (line.startsWith('data:')) {
      this.#data.push(line.slice(5).trimStart());
    } else if (line === '' && this.#data.length > 0) {
      const data = this.#data.splice(0).join('\n');
      this.#onData(data);
    }
  }
}
