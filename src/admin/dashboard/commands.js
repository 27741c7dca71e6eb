// Drain, activate, disable: asked for first, then told how it went.
const TOASTS_MAX = 4;
const TOAST_TIME = 12_000;

const verbs = new Map([
  ['drain', {
    word: 'Drain',
    what: (left) =>
      `It gets no new sessions, and what runs there may finish. ${left} Streams end between two ` +
      'events. You can activate it again at any time.',
    done: 'is being drained',
  }],
  ['disable', {
    word: 'Disable',
    what: (left) => `Nothing goes there any more, at once. ${left} To empty it gently, drain it.`,
    done: 'is disabled',
  }],
  ['activate', {
    word: 'Activate',
    what: () => 'It takes new sessions again as soon as its health checks allow it.',
    done: 'is active',
  }],
]);

function whatIsLeft(backend) {
  const sessions = asNumber(backend.sessions) ?? 0;
  if (sessions === 0) return 'It has no sessions.';
  const [subject, verb, next] = sessions === 1
    ? ['Its session', 'moves', 'its next request']
    : [`Its ${count(sessions)} sessions`, 'move', 'their next requests'];
  return `${subject} ${verb} to other backends with ${next}, where the pool allows it.`;
}

/** What an operator may have overlooked. */
function careful(command, pool, backend) {
  if (command === 'activate' || !serves(backend)) return '';
  const others = asList(pool.backends).map(asObject)
    .filter((other) => other.id !== backend.id && serves(other));
  return others.length > 0
    ? ''
    : `It is the last backend of ${asText(pool.name)} that serves: clients will get 503.`;
}

class Commands {
  #contact;
  #latest;
  #asked = null;

  /** `latest()` is the newest state. */
  constructor(contact, latest) {
    this.#contact = contact;
    this.#latest = latest;
    const dialog = byId('ask');
    byId('ask-no').addEventListener('click', () => dialog.close());
    byId('ask-yes').addEventListener('click', () => this.#confirmed());
    dialog.addEventListener('close', () => { this.#asked = null; });
  }

  ask(command, poolName, id) {
    const pool = asList(this.#latest().pools).map(asObject).find(({ name }) => name === poolName);
    const backend = asList(pool?.backends).map(asObject).find((one) => one.id === id);
    if (!backend) return toast('warn', `${asText(id)} is not there any more.`);
    const { word, what } = verbs.get(command);
    this.#asked = { command, pool: poolName, id };
    setText(byId('ask-title'), `${word} ${asText(backend.name ?? id)}?`);
    setText(byId('ask-text'), what(whatIsLeft(backend)));
    const warning = careful(command, pool, backend);
    setText(byId('ask-careful'), warning);
    byId('ask-careful').hidden = !warning;
    setText(byId('ask-yes'), word);
    byId('ask').showModal();
    byId('ask-no').focus();
  }

  async #confirmed() {
    const asked = this.#asked;
    byId('ask').close();
    if (!asked) return;
    const { command, pool, id } = asked;
    const path = ['api', 'backends', pool, id, command].map(encodeURIComponent).join('/');
    const { ok, status, body } = await this.#contact.ask(path, 'POST');
    if (ok) {
      const left = leftOn(asObject(body.data));
      const more = command === 'activate' ? '' : `: ${left}`;
      return toast('good', `${asText(id)} ${verbs.get(command).done}${more}.`);
    }
    const why = asText(body.message) || asText(body.error) || `status ${status}`;
    return toast('bad', `Not done: ${command} ${asText(id)}. ${why}`);
  }
}

/** Shown for a while, and said once. */
function toast(tone, text) {
  const node = element('div', '', 'toast');
  node.append(byId('verdict').querySelector('.icon').cloneNode(true), element('p', text));
  setTone(node, tone);
  const close = element('button', 'Close', 'quiet');
  close.type = 'button';
  close.addEventListener('click', () => node.remove());
  node.append(close);
  const toasts = byId('toasts');
  toasts.append(node);
  while (toasts.children.length > TOASTS_MAX) toasts.firstElementChild.remove();
  setTimeout(() => node.remove(), tone === 'bad' ? 5 * TOAST_TIME : TOAST_TIME);
  say(text);
}
