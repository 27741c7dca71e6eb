// Pools with their backends: one card each, one row each, kept while they exist, so that the
// keyboard's place and a selection outlive each update.
const ROWS_SHOWN = 40; // of a pool; the rest on demand, but what has problems is always there
const POOLS_OPEN = 12; // with more pools than this, those that are well begin folded
const POOLS_SHOWN = 200;
const TOOLS_FROM = 8; // backends from which on looking for one needs help

const poolCards = new Map(); // name -> card
let findText = '';
let onlyBad = false;

class PoolCard {
  #rows = new Map(); // backend id -> BackendRow
  #showsAll = false;
  #latest = null;

  constructor(name, opens, onCommand) {
    this.name = name;
    this.onCommand = onCommand;
    this.node = fromTemplate('pool-template');
    const fold = this.node.querySelector('.fold');
    this.open(opens);
    fold.addEventListener('click', () => this.open(!this.isOpen));
    this.node.querySelector('.more').addEventListener('click', () => {
      this.#showsAll = !this.#showsAll;
      this.#showRows();
    });
    setText(this.node.querySelector('caption'), `Backends of the pool ${asText(name)}`);
  }

  get isOpen() {
    return !this.node.querySelector('.inside').hidden;
  }

  open(isOpen) {
    this.node.querySelector('.inside').hidden = !isOpen;
    setAttribute(this.node.querySelector('.fold'), 'aria-expanded', String(isOpen));
    if (isOpen && this.#latest) this.#showRows();
  }

  show(pool, moves) {
    this.#latest = pool;
    const traffic = asObject(pool.traffic);
    const { tone, word } = statusOf(pool.status);
    const backends = asList(pool.backends);
    setTone(this.node.querySelector('[data-chip]'), tone);
    fill(this.node, {
      name: asText(pool.name),
      status: word,
      about: `${count(pool.usable)} of ${many(backends.length, 'backend')} usable · ` +
        (balanceOf(pool.balance) || NONE),
      requests: rate(traffic.requests_per_second),
      errors: rate(traffic.errors_per_second),
      latency: quantiles(traffic.latency_ms),
      overhead: quantiles(traffic.overhead_ms),
      in_flight: count(pool.in_flight),
      streams: count(pool.streams),
      sessions: count(pool.sessions),
      events: sessionEvents(asObject(pool.session_events)),
      moves: moves ? `Moved lately: ${moves}` : '',
    });
    fields(this.node).moves.hidden = !moves;
    fields(this.node).errors.classList.toggle('alarm', failing(traffic) > 0);
    drawTraffic(this.node.querySelector('.spark'), traffic);
    this.#showRows();
  }

  #showRows() {
    if (!this.isOpen) return;
    const backends = asList(this.#latest.backends).map(asObject);
    const wanted = backends.filter(isWanted);
    const folded = this.#showsAll || wanted.length <= ROWS_SHOWN;
    const shown = folded
      ? wanted
      : wanted.filter((backend, index) => index < ROWS_SHOWN || !serves(backend));
    const most = Math.max(1, ...backends.map(({ sessions }) => asNumber(sessions) ?? 0));
    const rows = shown.map((backend) => this.#row(backend));
    setChildren(this.node.querySelector('tbody'), rows.map(({ node }) => node));
    rows.forEach((row, index) => row.show(shown[index], most, this.#latest));
    const known = new Set(backends.map(({ id }) => asKey(id)));
    for (const id of this.#rows.keys()) if (!known.has(id)) this.#rows.delete(id);
    this.#showMore(wanted.length, shown.length);
  }

  #row(backend) {
    const id = asKey(backend.id);
    if (!this.#rows.has(id)) this.#rows.set(id, new BackendRow(this.name, id, this.onCommand));
    return this.#rows.get(id);
  }

  #showMore(wanted, shown) {
    const more = this.node.querySelector('.more');
    more.hidden = wanted <= ROWS_SHOWN;
    setText(more, shown < wanted ? `Show all ${wanted} backends` : `Show only ${ROWS_SHOWN}`);
  }
}

class BackendRow {
  #leftAtMost = 0; // of a drain, as far as this page has seen it

  constructor(pool, id, onCommand) {
    this.node = fromTemplate('backend-template');
    this.node.dataset.backend = id;
    this.progress = this.node.querySelector('progress');
    for (const button of this.node.querySelectorAll('[data-command]')) {
      const { command } = button.dataset;
      button.addEventListener('click', () => onCommand(command, pool, id));
      button.setAttribute('aria-label', `${button.textContent} ${asText(id)} of ${asText(pool)}`);
    }
  }

  show(backend, most, pool) {
    const traffic = asObject(backend.traffic);
    const { tone, word } = stateOf(backend);
    const sessions = asNumber(backend.sessions);
    setTone(this.node.querySelector('[data-chip]'), tone);
    setAttribute(this.node, 'data-tone', tone);
    fill(this.node, {
      name: asText(backend.name ?? backend.id) || NONE,
      where: whereOf(backend),
      state: word,
      why: whyOf(backend),
      requests: rate(traffic.requests_per_second),
      errors: rate(traffic.errors_per_second),
      latency: quantiles(traffic.latency_ms),
      in_flight: count(backend.in_flight),
      streams: count(backend.streams),
      sessions: count(backend.sessions),
    });
    fields(this.node).errors.classList.toggle('alarm', failing(traffic) > 0);
    drawTraffic(this.node.querySelector('.spark'), traffic);
    const share = this.node.querySelector('.share .fill');
    setAttribute(share, 'width', String(Math.round((100 * (sessions ?? 0)) / most)));
    const all = asNumber(pool.sessions);
    const title = sessions !== null && all > 0 ? `${percent(sessions, all)} of the pool` : '';
    setAttribute(this.node.querySelector('.sessions'), 'title', title);
    this.#showDrain(backend);
    this.#showButtons(backend);
  }

  #showDrain(backend) {
    const isDraining = backend.mode === 'draining' || backend.state === 'draining';
    const left = ['sessions', 'streams', 'in_flight']
      .reduce((sum, name) => sum + (asNumber(backend[name]) ?? 0), 0);
    this.#leftAtMost = isDraining ? Math.max(this.#leftAtMost, left) : 0;
    this.progress.hidden = !isDraining || this.#leftAtMost === 0;
    if (this.progress.hidden) return;
    this.progress.value = 100 * (1 - left / this.#leftAtMost);
    const said = isEmpty(backend) ? 'empty' : leftOn(backend);
    setAttribute(this.progress, 'aria-label', `Drain: ${said}`);
  }

  /** Only what would change something; the keyboard's place stays in the row. */
  #showButtons(backend) {
    const buttons = [...this.node.querySelectorAll('[data-command]')];
    const wanted = new Set(COMMANDS_IN.get(backend.mode) ?? ['activate', 'drain', 'disable']);
    const held = document.activeElement;
    for (const button of buttons) button.hidden = !wanted.has(button.dataset.command);
    if (buttons.includes(held) && held.hidden) buttons.find(({ hidden }) => !hidden)?.focus();
  }
}

const COMMANDS_IN = new Map([
  ['active', ['drain', 'disable']],
  ['draining', ['activate', 'disable']],
  ['disabled', ['activate', 'drain']],
]);

/** What says where it is, when the name does not. */
function whereOf({ name, id, url, address, weight, registered }) {
  const bare = asText(url).replace(/^http:\/\//, '').replace(/\/$/, '');
  const shown = asText(name ?? id);
  const parts = [asText(id), bare, asText(address)].filter((text) => text && text !== shown);
  if (asNumber(weight) !== null && weight !== 1) parts.push(`weight ${weight}`);
  if (registered === true) parts.push('registered itself');
  return [...new Set(parts)].join(' · ');
}

const EVENT_WORDS = [
  ['created', 'opened'], ['deleted', 'closed'], ['expired', 'expired'], ['moved', 'moved'],
  ['lost', 'lost'], ['unknown', 'unknown ids'], ['asked', 'asked about'],
  ['adopted', 'moved by others'], ['move_forbidden', 'not let in elsewhere'],
  ['move_failed', 'waiting to move'],
];

function sessionEvents(events) {
  const known = EVENT_WORDS.filter(([name]) => asNumber(events[name]) !== null);
  const always = new Set(['created', 'moved', 'lost']);
  const shown = known.filter(([name]) => events[name] > 0 || always.has(name));
  if (shown.length === 0) return '';
  const words = shown.map(([name, word]) => `${count(events[name])} ${word}`);
  return `Sessions since the start: ${words.join(', ')}`;
}

function isWanted(backend) {
  if (onlyBad && backend.state === 'up' && backend.suspect !== true) return false;
  if (!findText) return true;
  return [backend.id, backend.name, backend.url, backend.address, backend.state]
    .some((value) => asKey(value).toLowerCase().includes(findText));
}

/** Where sessions went lately, of each pool: "a → b (12)", out of the timeline. */
function movesOf(timeline) {
  const pools = new Map();
  for (const entry of asList(timeline).map(asObject)) {
    if (entry.event !== 'session_moved') continue;
    const { pool, from, to } = asObject(entry.fields);
    const ways = pools.get(pool) ?? new Map();
    const way = `${asText(from) || 'a lost backend'} → ${asText(to)}`;
    ways.set(way, (ways.get(way) ?? 0) + (asNumber(entry.count) ?? 1));
    pools.set(pool, ways);
  }
  const words = (ways) =>
    [...ways].sort(([, a], [, b]) => b - a).slice(0, 4)
      .map(([way, number]) => `${way} (${count(number)})`).join(', ');
  return new Map([...pools].map(([pool, ways]) => [pool, words(ways)]));
}

function showPools(state, onCommand) {
  const pools = asList(state.pools).map(asObject).slice(0, POOLS_SHOWN);
  const moves = movesOf(state.timeline);
  const isCrowded = pools.length > POOLS_OPEN;
  const wanted = pools.filter((pool) => asList(pool.backends).map(asObject).some(isWanted));
  const shown = findText || onlyBad ? wanted : pools;
  const names = new Set(pools.map(({ name }) => asKey(name)));
  for (const name of poolCards.keys()) if (!names.has(name)) poolCards.delete(name);
  const cards = shown.map((pool) => {
    const name = asKey(pool.name);
    if (!poolCards.has(name)) {
      poolCards.set(name, new PoolCard(name, !isCrowded || pool.status !== 'healthy', onCommand));
    }
    return poolCards.get(name);
  });
  setChildren(byId('pools'), cards.map(({ node }) => node));
  cards.forEach((card, index) => card.show(shown[index], moves.get(shown[index].name)));
  const backends = pools.reduce((sum, pool) => sum + asList(pool.backends).length, 0);
  byId('tools').hidden = backends < TOOLS_FROM && !findText && !onlyBad;
  byId('nothing').hidden = cards.length > 0;
  const filtered = 'No backend is like that. Clear the fields above to see all.';
  setText(byId('nothing'), findText || onlyBad ? filtered : 'No pools.');
}

/** `again` shows the pools anew. */
function listenToTools(again) {
  byId('find').addEventListener('input', ({ target }) => {
    findText = target.value.trim().toLowerCase();
    again();
  });
  byId('only-bad').addEventListener('change', ({ target }) => {
    onlyBad = target.checked;
    again();
  });
}
