// Reads server-sent events off a fetch response, one at a time.

/** Yields `{id, event, data}`; comment lines are skipped, as a client must. */
export async function* events(response) {
  let text = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end; (end = text.search(/\r?\n\r?\n/)) >= 0; ) {
      const block = text.slice(0, end);
      text = text.slice(end).replace(/^\r?\n\r?\n/, '');
      const event = parse(block);
      if (event) yield event;
    }
  }
}

function parse(block) {
  const event = {};
  for (const line of block.split(/\r?\n/)) {
    if (line === '' || line.startsWith(':')) continue;
    const [, name, value] = line.match(/^([^:]*):? ?(.*)$/);
    event[name] = name === 'data' && 'data' in event ? `${event.data}\n${value}` : value;
  }
  return Object.keys(event).length > 0 ? event : undefined;
}
