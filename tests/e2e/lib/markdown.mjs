// What a page of documentation holds: its blocks of code, its headings, its links.
import { readFileSync } from 'node:fs';

const FENCE = /^( *)(`{3,}|~{3,}) *([^\s`]*) *(.*)$/;
// `<!-- test: WHAT -->` says what has to be there before the next block runs.
const WISH = /^<!-- test: (.+) -->$/;

/** "run file=a skip: two words" to {run: true, file: 'a', skip: 'two words'}. */
function decisionsIn(text) {
  const [words, reason] = text.split(/\bskip: */);
  const found = {};
  for (const word of words.trim().split(/\s+/).filter(Boolean)) {
    const [name, value] = word.split(/=(.*)/s);
    found[name] = value ?? true;
  }
  if (reason !== undefined) found.skip = reason.trim();
  return found;
}

/** {line, language, decisions, text, wishes} of each fenced block, in order. */
export function blocksOf(page) {
  const blocks = [];
  let open;
  let wishes = [];
  readFileSync(page, 'utf8')
    .split('\n')
    .forEach((line, index) => {
      const fence = FENCE.exec(line);
      if (open) {
        if (fence && fence[2].startsWith(open.mark) && !fence[3]) {
          blocks.push(open);
          open = undefined;
        } else open.text += `${line.startsWith(open.indent) ? line.slice(open.indent.length) : line}\n`;
      } else if (fence) {
        const [, indent, mark, language, words] = fence;
        const decisions = decisionsIn(words);
        open = { line: index + 1, indent, mark, language, decisions, text: '', wishes };
        wishes = [];
      } else if (WISH.test(line)) wishes.push(WISH.exec(line)[1]);
    });
  if (open) throw new Error(`${page}:${open.line}: the block does not end`);
  return blocks;
}

/** The page without its blocks of code, with as many lines. */
function proseOf(page) {
  let inside;
  return readFileSync(page, 'utf8')
    .split('\n')
    .map((line) => {
      const mark = FENCE.exec(line)?.[2];
      const ends = inside && mark?.startsWith(inside);
      const starts = !inside && mark;
      if (starts) inside = mark;
      else if (ends) inside = undefined;
      return inside || ends ? '' : line;
    })
    .join('\n');
}

/** As GitHub names headings: "## 6. Two balancers" is "6-two-balancers". */
export function anchorsOf(page) {
  const seen = new Map();
  return proseOf(page)
    .split('\n')
    .filter((line) => /^#{1,6} /.test(line))
    .map((line) => {
      const text = line.replace(/^#+ /, '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');
      const slug = text.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').trim().replace(/\s/g, '-');
      const count = seen.get(slug) ?? 0;
      seen.set(slug, count + 1);
      return count ? `${slug}-${count}` : slug;
    });
}

/** {line, target} of each link and picture. */
export function linksOf(page) {
  const prose = proseOf(page).replace(/`[^`\n]*`/g, (code) => ' '.repeat(code.length));
  const inline = [...prose.matchAll(/\]\(([^()\s]+(?:\([^()\s]*\))?)(?: "[^"]*")?\)/g)];
  const html = [...prose.matchAll(/(?:src|href)="([^"]+)"/g)];
  return [...inline, ...html].map((match) => ({
    line: prose.slice(0, match.index).split('\n').length,
    target: match[1],
  }));
}
