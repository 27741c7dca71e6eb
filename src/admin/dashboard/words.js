// What states and events mean, in words for somebody who does not know the code.
const STATES = new Map([
  ['up', { tone: 'good', word: 'up' }],
  ['starting', { tone: 'busy', word: 'starting' }],
  ['down', { tone: 'bad', word: 'down' }],
  ['ejected', { tone: 'bad', word: 'ejected' }],
  ['draining', { tone: 'busy', word: 'draining' }],
  ['disabled', { tone: 'off', word: 'disabled' }],
]);
const STATUSES = new Map([
  ['healthy', { tone: 'good', word: 'healthy' }],
  ['degraded', { tone: 'warn', word: 'degraded' }],
  ['unhealthy', { tone: 'bad', word: 'unhealthy' }],
]);
const BALANCES = new Map([
  ['round_robin', 'round robin'],
  ['least_connections', 'least connections'],
  ['session_hash', 'session hash'],
]);
const TONES_OF_LEVELS = new Map([
  ['info', 'info'],
  ['warn', 'warn'],
  ['error', 'bad'],
]);

const unknownWord = (value) => ({ tone: 'info', word: asText(value) || 'unknown' });
const stateOf = (backend) => STATES.get(backend.state) ?? unknownWord(backend.state);
const statusOf = (value) => STATUSES.get(value) ?? unknownWord(value);
const balanceOf = (value) => BALANCES.get(value) ?? asText(value).replaceAll('_', ' ');

/** What there is to know about a backend's state beside its name: since when, and why. */
function whyParts(backend) {
  const seconds = asNumber(backend.since_seconds);
  const check = asObject(backend.check);
  const rest = [];
  if (isBroken(backend) && check.good === false && check.text) rest.push(asText(check.text));
  if (backend.suspect === true) rest.push('may have forgotten its sessions');
  return { since: seconds === null ? '' : `for ${duration(seconds)}`, rest };
}

function whyOf(backend) {
  const { since, rest } = whyParts(backend);
  const empty = isOut(backend) && isEmpty(backend) ? 'empty: may be stopped' : '';
  return [since, empty, ...rest].filter(Boolean).join(' · ');
}

const isEmpty = ({ sessions, streams, in_flight: inFlight }) =>
  sessions === 0 && streams === 0 && inFlight === 0;

/** "12 sessions, 1 stream left" */
function leftOn(backend) {
  const left = [
    [asNumber(backend.sessions), 'session'],
    [asNumber(backend.streams), 'stream'],
    [asNumber(backend.in_flight), 'request'],
  ].filter(([number], index) => number > 0 || (index === 0 && number !== null));
  return `${left.map(([number, word]) => many(number, word)).join(', ')} left`;
}

const serves = ({ state }) => state === 'up' || state === 'starting';
const isOut = ({ state }) => state === 'draining' || state === 'disabled';
const isBroken = (backend) => !serves(backend) && !isOut(backend);

// Below it one failure in a quiet moment would look like trouble.
const LOUD_SHARE = 0.05;
const LOUD_RATE = 0.5;

/** The share of failed requests when it is worth a headline, else 0. */
function failing(traffic) {
  const requests = asNumber(traffic.requests_per_second) ?? 0;
  const errors = asNumber(traffic.errors_per_second) ?? 0;
  const isLoud = requests >= LOUD_RATE && errors / requests >= LOUD_SHARE;
  return isLoud ? errors / requests : 0;
}

/** One plain sentence about everything, and how bad it is. */
function verdictOf(state, backends) {
  const broken = backends.filter(({ backend }) => isBroken(backend)).length;
  const out = backends.filter(({ backend }) => isOut(backend)).length;
  const all = backends.length;
  const isAway = asObject(state.store).status === 'unreachable';
  if (state.status === 'unhealthy') {
    const sentence = all ? 'No backend can serve requests' : 'There are no backends';
    return { tone: 'bad', sentence };
  }
  const are = broken === 1 ? 'is' : 'are';
  const dead = asList(state.pools).filter((pool) => asObject(pool).status === 'unhealthy');
  if (dead.length > 0) {
    const names = dead.slice(0, 3).map(({ name }) => asText(name));
    const more = dead.length > 3 ? [`${dead.length - 3} more`] : [];
    const [word, have] = dead.length === 1 ? ['Pool', 'has'] : ['Pools', 'have'];
    const sentence = `${word} ${listed([...names, ...more])} ${have} no usable backend`;
    return { tone: 'bad', sentence };
  }
  if (broken > 0) {
    return { tone: 'warn', sentence: `${broken} of ${many(all, 'backend')} ${are} not serving` };
  }
  if (isAway) return { tone: 'warn', sentence: 'The session store cannot be reached' };
  const share = failing(asObject(state.traffic));
  if (share > 0) {
    return { tone: 'warn', sentence: `Backends are up, but ${percent(share, 1)} of requests fail` };
  }
  if (out > 0) {
    const sentence = `All is well; ${many(out, 'backend')} ${out === 1 ? 'is' : 'are'} taken out`;
    return { tone: 'busy', sentence };
  }
  if (state.status === 'healthy') return { tone: 'good', sentence: 'Everything is healthy' };
  return { tone: 'warn', sentence: `The status is ${statusOf(state.status).word}` };
}

function because({ reason, why }) {
  if (why === 'command') return ' by command';
  return reason || why ? `: ${reason || why}` : '';
}
const place = ({ pool, backend }) => (pool ? `${backend} (${pool})` : backend);
const span = (ms) => millis(Number(ms));

// Every value is text by then. {from}, {to} and {session} are those of a session that moved.
const SENTENCES = new Map([
  ['backend_down', (f) => `${place(f)} is down${because(f)}`],
  ['backend_up', (f) => `${place(f)} is up again`],
  ['backend_ejected', (f) =>
    `${place(f)} was ejected for ${span(f.for_ms)}: ${f.failures} requests failed (${f.reason})`],
  ['backend_readmitted', (f) => `${place(f)} takes work again${because(f)}`],
  ['backend_restarted', (f) => `${place(f)} was restarted and has forgotten its sessions`],
  ['backend_draining', (f) => `${place(f)} is being drained${because(f)}`],
  ['backend_drained', (f) =>
    Number(f.sessions_left) > 0
      ? `The drain of ${place(f)} is over; ${many(Number(f.sessions_left), 'session')} left`
      : `${place(f)} is drained: nothing is left on it`],
  ['backend_returned', (f) => `${place(f)} takes work again${because(f)}`],
  ['backend_added', (f) => `${place(f)} was added`],
  ['backend_removed', (f) => `${place(f)} was removed`],
  ['backend_refused', (f) => `${place(f)} cannot be used${because(f)}`],
  ['backend_tls_failed', (f) => `No TLS with ${place(f)}${because(f)}`],
  ['session_moved', (f) =>
    `${f.sessions} moved from ${f.from || 'a lost backend'} to ${f.to}${moved(f)}`],
  ['session_lost', (f) => `${f.sessions} of ${f.pool} got lost${because(f)}`],
  ['session_found', (f) => `${f.sessions} of ${f.pool} found by asking the backends`],
  ['session_conflict', (f) => `${place(f)} made a session id that another backend uses`],
  ['session_state_refused', (f) => `${place(f)} did not take over all of a moved session`],
  ['sessions_expired', (f) => `${many(Number(f.count), 'session')} of ${f.pool} expired`],
  ['sessions_not_stored', (f) => `Sessions of ${f.pool} are not stored${because(f)}`],
  ['orphan_session_deleted', (f) => `A session on ${f.backend} was deleted: its client had left`],
  ['store_up', (f) => `Redis is there (${f.server})`],
  ['store_down', (f) => `Redis cannot be reached (${f.server})${because(f)}`],
  ['store_refused', (f) => `Redis refuses us (${f.server})${because(f)}`],
  ['dns_changed', (f) =>
    `${f.name} has ${f.backends} addresses now: ${f.added} new, ${f.removed} gone`],
  ['dns_failed', (f) => `No DNS for ${f.name}${because(f)}; its backends stay`],
  ['dns_empty', (f) => `DNS knows no addresses of ${f.name}; its backends stay for now`],
  ['dns_recovered', (f) => `DNS answers for ${f.name} again`],
  ['node_registered', (f) => `${f.node} registered itself (${f.pools})`],
  ['node_removed', (f) => `${f.node} left${because(f)}`],
  ['node_silent', (f) => `${f.node} has been silent for ${span(f.for_ms)}`],
  ['node_heard_again', (f) => `${f.node} was heard again`],
  ['reload_applied', (f) => `The configuration was read again; changed: ${f.changed || 'nothing'}`],
  ['reload_refused', (f) => `A new configuration was refused${because(f)}`],
  ['tls_files_reloaded', (f) => `New certificate files are in use (${f.of})`],
  ['tls_reload_failed', (f) => `New certificate files cannot be used (${f.file})${because(f)}`],
  ['tls_handshake_failed', (f) => `No TLS with the client ${f.client}${because(f)}`],
  ['accept_paused', (f) => `No new connections for ${span(f.for_ms)}${because(f)}`],
  ['access_log_failed', (f) => `The access log cannot be opened${because(f)}`],
  ['admin_command', (f) => `Somebody gave a command: ${f.command} ${f.target}, ${f.result}`],
  ['configuration_notes', (f) => `${f.count} settings deserve a second look: mcplb check`],
  ['stopping', () => 'mcplb is stopping'],
  ['stop_at_once', () => 'mcplb stops at once'],
]);

const MOVE_REASONS = new Map([
  ['drain', ' (drain)'],
  ['owner_gone', ' (its backend was gone)'],
]);
const moved = ({ why }) => MOVE_REASONS.get(why) ?? '';

/** Of these, `count` entries are as many sessions. */
const isAboutSessions = (event) => /^session_(moved|lost|found)$/.test(event);

/** An entry of the timeline as a sentence; of an event that is not known here, what it says. */
function sentenceOf({ event, fields: texts, number }) {
  const known = SENTENCES.get(event);
  if (!known) {
    return [event.replaceAll('_', ' '), ...Object.entries(texts).map((pair) => pair.join('='))]
      .join(' ');
  }
  const given = { ...texts, sessions: number === 1 ? 'A session' : many(number, 'session') };
  return known(new Proxy(given, { get: (of, key) => (Object.hasOwn(of, key) ? of[key] : '') }));
}
