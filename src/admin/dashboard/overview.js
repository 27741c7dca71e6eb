// The verdict, and the figures of the whole instance.
const PROBLEMS_SHOWN = 5;

/** All backends with their pools, in the order of the API. */
const backendsOf = (state) =>
  asList(state.pools).flatMap((pool) =>
    asList(asObject(pool).backends).map((backend) => ({ pool, backend: asObject(backend) })),
  );

/** What is wrong, worst first: {tone, text}. */
function problemsOf(state, backends) {
  const several = asList(state.pools).length > 1;
  const nameOf = ({ pool, backend }) =>
    asText(backend.name ?? backend.id) + (several ? ` in ${asText(pool.name)}` : '');
  const problem = (one) => {
    const { tone, word } = stateOf(one.backend);
    const { since, rest } = whyParts(one.backend);
    const left = isEmpty(one.backend) ? 'empty, it may be stopped' : leftOn(one.backend);
    const said = isOut(one.backend) ? [left, ...rest] : rest;
    const why = said.length > 0 ? `: ${said.join(', ')}` : '';
    return { tone, text: `${nameOf(one)} is ${word} ${since}`.trimEnd() + why };
  };
  const store = asObject(state.store);
  const away = store.status === 'unreachable'
    ? [{ tone: 'warn', text: `Redis is unreachable; ${many(store.waiting, 'change')} wait for it` }]
    : [];
  const share = failing(asObject(state.traffic));
  const failed = `${percent(share, 1)} of the requests failed in the last ten seconds`;
  const errors = share > 0 ? [{ tone: 'warn', text: failed }] : [];
  const suspects = backends
    .filter(({ backend }) => backend.suspect === true && serves(backend))
    .map((one) => ({ tone: 'warn', text: `${nameOf(one)} may have forgotten its sessions` }));
  return [
    ...backends.filter(({ backend }) => isBroken(backend)).map(problem),
    ...away,
    ...errors,
    ...suspects,
    ...backends.filter(({ backend }) => isOut(backend)).map(problem),
  ];
}

function summaryOf(state, backends) {
  const serving = backends.filter(({ backend }) => serves(backend)).length;
  const pools = asList(state.pools).length;
  const which = serving === backends.length ? '' : ` of ${backends.length}`;
  const verb = serving === 1 && !which ? 'serves' : 'serve';
  const subject = `${serving}${which} ${backends.length === 1 ? 'backend' : 'backends'}`;
  const where = pools === 1 ? '' : ` in ${many(pools, 'pool')}`;
  return `${subject}${where} ${verb} ${many(asNumber(state.active_sessions), 'session')}.`;
}

function showVerdict(state, backends) {
  const verdict = verdictOf(state, backends);
  const section = byId('verdict');
  setTone(section, verdict.tone);
  setText(byId('headline'), verdict.sentence);
  fill(section, { summary: summaryOf(state, backends) });
  const problems = problemsOf(state, backends);
  const shown = problems.slice(0, PROBLEMS_SHOWN);
  if (problems.length > PROBLEMS_SHOWN) {
    const rest = problems.length - PROBLEMS_SHOWN;
    shown.push({ tone: 'info', text: `and ${rest} more, marked below` });
  }
  const list = byId('problems');
  list.hidden = shown.length === 0;
  while (list.children.length < shown.length) list.append(problemLine());
  setChildren(list, [...list.children].slice(0, shown.length));
  shown.forEach(({ tone, text }, index) => {
    setTone(list.children[index], tone);
    setText(list.children[index].lastElementChild, text);
  });
  document.title = `${verdict.sentence} · mcplb ${asText(state.instance)}`;
  showIcon(verdict.tone);
  return verdict;
}

function problemLine() {
  const line = element('li');
  line.append(byId('verdict').querySelector('.icon').cloneNode(true), element('span'));
  return line;
}

const ICON_COLOURS = new Map([
  ['good', '1f9d61'], ['busy', '1f9d61'], ['warn', 'd08a00'], ['bad', 'd6336c'], ['info', '788596'],
]);

/** The tab shows how it is, too. */
function showIcon(tone) {
  const link = document.querySelector('link[rel=icon]');
  const colour = ICON_COLOURS.get(tone) ?? ICON_COLOURS.get('info');
  const href = link.href.replace(/fill='%23\w+'/, `fill='%23${colour}'`);
  if (link.href !== href) link.href = href;
}

const tile = (name) => document.querySelector(`[data-tile=${name}]`);

function showTile(name, value, note) {
  fill(tile(name), { value, note });
}

/** The most in the history, and now. */
const peak = (values, now) => highest([...lastOf(values), asNumber(now)]);

function showTiles(state) {
  const traffic = asObject(state.traffic);
  const history = asObject(traffic.history);
  const span = chartSpan(history);
  const requests = asNumber(traffic.requests_per_second);
  const errors = asNumber(traffic.errors_per_second);
  const latency = asObject(traffic.latency_ms);
  const overhead = asObject(traffic.overhead_ms);

  showTile('requests', rate(requests),
    `at most ${rate(peak(history.requests_per_second, requests))} in ${span}`);
  showTile('errors', rate(errors),
    requests > 0 ? `${percent(errors ?? 0, requests)} of the requests` : 'no requests now');
  tile('errors').classList.toggle('alarm', failing(traffic) > 0);
  const slowest = peak(history.p99_ms, latency.p99);
  showTile('latency', quantiles(latency),
    slowest > 0 ? `p99 at most ${millis(slowest)} in ${span}` : '');
  showTile('overhead', quantiles(overhead),
    asNumber(overhead.p50) !== null && latency.p50 > 0
      ? `about ${percent(Math.min(overhead.p50, latency.p50), latency.p50)} of the latency`
      : '');
  drawChart(tile('requests').querySelector('.spark'),
    [{ values: history.requests_per_second, tone: 'plain', area: true }]);
  drawChart(tile('errors').querySelector('.spark'),
    [{ values: history.errors_per_second, tone: 'bad', area: true }]);
  drawChart(tile('latency').querySelector('.spark'), [
    { values: history.p99_ms, tone: 'second', area: false },
    { values: history.p50_ms, tone: 'plain', area: false },
  ]);
  showShare(tile('overhead').querySelector('.spark'), overhead.p50, latency.p50);
}

/** Our own share of the latency as a part of a bar. */
function showShare(svg, part, whole) {
  const share = asNumber(part) !== null && whole > 0 ? Math.min(1, Math.max(0, part / whole)) : 0;
  setAttribute(svg, 'viewBox', `0 0 ${CHART_WIDTH} ${CHART_HEIGHT}`);
  setAttribute(svg, 'preserveAspectRatio', 'none');
  if (!svg.firstChild) {
    addPath(svg, 'rail', `M0 ${CHART_HEIGHT - 3}H${CHART_WIDTH}`);
    addPath(svg, 'fill', '');
  }
  const end = Math.max(1, share * CHART_WIDTH).toFixed(1);
  setAttribute(svg.lastChild, 'd', share > 0 ? `M0 ${CHART_HEIGHT - 3}H${end}` : '');
}

function sumOf(pools, figureOf) {
  const numbers = pools.map((pool) => asNumber(figureOf(asObject(pool)))).filter((n) => n !== null);
  return numbers.length === 0 ? null : numbers.reduce((sum, number) => sum + number, 0);
}

function showCounts(state) {
  const pools = asList(state.pools);
  const event = (name) => sumOf(pools, (pool) => asObject(pool.session_events)[name]);
  showTile('sessions', count(state.active_sessions),
    `${count(event('moved'))} moved · ${count(event('lost'))} lost`);
  const connections = asNumber(state.client_connections);
  showTile('streams', count(sumOf(pools, ({ streams }) => streams)),
    `${many(connections, 'connection')}`);
  const store = asObject(state.store);
  const isAway = store.status === 'unreachable';
  tile('store').classList.toggle('alarm', isAway);
  if (store.kind === 'redis') {
    const waiting = asNumber(store.waiting) ?? 0;
    const how = isAway ? 'unreachable' : 'connected';
    showTile('store', isAway ? 'Redis is away' : 'Redis',
      waiting > 0 ? `${many(waiting, 'change')} wait for it` : how);
  } else {
    showTile('store', store.kind === 'memory' ? 'memory' : asText(store.kind) || NONE,
      'of this process');
  }
}

function showOwn(state) {
  const named = (counts, kind) =>
    Object.entries(asObject(counts)).map(([name, number]) => [name, number, kind]);
  const pairs = [...named(state.local_replies, ''), ...named(state.limit_hits, 'limit: ')]
    .filter(([, number]) => asNumber(number) > 0).slice(0, 40);
  byId('own').hidden = pairs.length === 0;
  const list = byId('own-list');
  while (list.children.length < pairs.length) {
    const pair = element('div');
    pair.append(element('dt'), element('dd'));
    list.append(pair);
  }
  setChildren(list, [...list.children].slice(0, pairs.length));
  pairs.forEach(([name, number, kind], index) => {
    const [term, figureOfIt] = list.children[index].children;
    setText(term, kind + asText(name).replaceAll('_', ' '));
    setText(figureOfIt, count(number));
  });
}

function showHeader(state) {
  const header = document.querySelector('.bar');
  const facts = [
    `version ${asText(state.version) || NONE}`,
    `up for ${duration(state.uptime_seconds)}`,
    many(asNumber(state.workers), 'worker'),
  ];
  fill(header, { instance: asText(state.instance), facts: facts.join(' · ') });
}
