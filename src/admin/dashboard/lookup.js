// Where is this session? Asked of the API by the id that its client knows.
const FAILURES = new Map([
  [400, 'That is not a session id.'],
  [404, 'Nobody here knows this session.'],
  [503, 'It is not known here, and the store cannot be asked.'],
  [401, 'The token was refused.'],
]);

const KNOWN_BY = new Map([
  ['memory', 'this process'],
  ['store', 'the store; this process has not met it'],
]);

function describeSession(data) {
  const generation = asNumber(data.generation);
  const open = asNumber(data.in_flight) === null
    ? NONE
    : `${many(asNumber(data.in_flight), 'request')}, ${many(asNumber(data.streams), 'stream')}`;
  const lastSeen = asNumber(data.idle_seconds) === 0 ? 'now' : `${duration(data.idle_seconds)} ago`;
  return [
    ['Backend', asText(data.owner) || 'no longer configured'],
    ['Pool', asText(data.pool) || NONE],
    ['Age', duration(data.age_seconds)],
    ['Last seen', lastSeen],
    ['Open now', open],
    ['Moves', generation === null ? NONE : count(generation - 1)],
    ['Protocol', asText(data.protocol) || NONE],
    ['Known by', KNOWN_BY.get(data.known) ?? (asText(data.known) || NONE)],
    ['In logs', asText(data.session) || NONE],
  ];
}

function showFound(data) {
  const list = element('dl', '', 'pairs');
  for (const [term, value] of describeSession(data)) {
    const pair = element('div');
    pair.append(element('dt', term), element('dd', value));
    list.append(pair);
  }
  byId('found').replaceChildren(list);
}

function listenToLookup(contact) {
  let last = 0;
  byId('lookup').addEventListener('submit', async (event) => {
    event.preventDefault();
    const id = byId('session-id').value.trim();
    if (!id) return;
    const mine = (last += 1);
    const pool = byId('session-pool').value;
    const query = pool ? `?pool=${encodeURIComponent(pool)}` : '';
    const path = `api/cluster/sessions/${encodeURIComponent(id)}${query}`;
    const { ok, status, body } = await contact.ask(path);
    if (mine !== last) return; // another one has been asked for since
    if (ok) return showFound(asObject(body.data));
    const why = FAILURES.get(status) ?? `It could not be asked: ${asText(body.message) || status}.`;
    byId('found').replaceChildren(element('p', why, 'empty'));
  });
}

/** The pools to choose from, when there are several. */
function showPoolChoice(state) {
  const select = byId('session-pool');
  const names = asList(state.pools).map((pool) => asKey(asObject(pool).name)).slice(0, POOLS_SHOWN);
  select.hidden = names.length < 2;
  const key = JSON.stringify(names);
  if (select.dataset.names === key) return;
  select.dataset.names = key;
  const chosen = select.value;
  const options = names.map((name) => {
    const option = element('option', asText(name));
    option.value = name;
    return option;
  });
  select.replaceChildren(select.firstElementChild, ...options);
  if (names.includes(chosen)) select.value = chosen;
}
