#!/usr/bin/env python3
"""Words and calls that this project does not use. Every message names what to use instead.

A line that has to use one all the same says why: `// tidy:allow NAME because …`, on that line
or on the one before; `// tidy:allow-file NAME because …` speaks for the whole file.
"""
import re
from typing import NamedTuple

import project
from project import Finding

OURS = r"(?:src|include)/"
# Whoever runs the program reads what the server level and the log itself print.
SILENT = r"(?:src/(?!base/|demo/)[^/]+/|include/mcplb/(?!base/))"
CODE = ["src", "include", "tests", "bench"]
PROSE = ["docs", "src", "conf", "bench", "compose", "tests"]


class Rule(NamedTuple):
    name: str
    where: str  # matched against the beginning of the path
    pattern: str
    instead: str


# Looked for in code: comments and the inside of literals are blanked before.
CODE_RULES = [
    Rule("direction", OURS, r"(?i)(?:up|down)stream", "say backend, or client"),
    Rule("throw", OURS, r"\bthrow\b", "return an Error: no exception crosses a floor"),
    Rule("detach", "", r"(?:\.|->)detach\s*\(\s*\)", "give it one owner: a member, or a Nursery"),
    Rule("delete_this", "", r"\bdelete\s+this\b", "ask the owner: Nursery::cancel_soon()"),
    Rule("sleep", "", r"\bsleep_(?:for|until)\b|\b(?:u|nano)sleep\s*\(",
         "await a timer in a flow, advance the fake clock in a test"),
    Rule("sleep", "tests/unit/", r"^(?!.*co_await).*\bsleep\s*\(", "advance the fake clock"),
    Rule("shared_ptr", OURS, r"\bshared_ptr<(?!\s*const\b)",
         "unique_ptr or a value: only an immutable snapshot is shared, as shared_ptr<const X>"),
    Rule("atomic_shared_ptr", "", r"\batomic<\s*(?:std::)?shared_ptr",
         "send the snapshot to each worker by mailbox: ThreadSanitizer rejects this form"),
    Rule("expected", "", r"\bstd::expected\b", "our Result: clang 14 does not know it"),
    Rule("using_namespace", "", r"\busing\s+namespace\s+std\s*;", "write std:: where it is used"),
    Rule("stdout", SILENT, r"\bstd::(?:cout|cerr|clog)\b|(?<!\w)f?printf\s*\(",
         "log through base, or return the text"),
    Rule("endl", "", r"\bstd::endl\b", "'\\n'"),
    Rule("null", "", r"\bNULL\b", "nullptr"),
    Rule("volatile", "", r"\bvolatile\b", "std::atomic"),
    Rule("regex", OURS, r"\bstd::regex\b", "a scan by hand: std::regex recurses per byte of input"),
    Rule("assert", OURS, r"(?<!\w)assert\s*\(", "MCPLB_ASSERT, which also holds in release"),
    Rule("number", OURS, r"\b(?:std::sto(?:i|l|ul|ll|ull|d)|ato(?:i|l|ll|f)|strto(?:l|ul|d))\s*\(",
         "std::from_chars, which neither throws nor hides an error"),
    Rule("not_reentrant", "", r"\b(?:gmtime|localtime|strtok|inet_ntoa)\s*\(",
         "the _r form: workers are threads"),
    Rule("clock", r"(?:src|include/mcplb)/(?!base/|net/)", r"\b(?:system|steady)_clock::now\b",
         "the clock of base, which a test can set"),
]
COMMENT_RULES = [
    Rule("direction", OURS, r"(?i)\b(?:up|down)streams?\b", "say backend, or client"),
    Rule("todo", "", r"\b(?:TODO(?!\((?:perf|safety|cleanup)\):)|FIXME|XXX|HACK)\b",
         "TODO(perf|safety|cleanup): and the condition for doing it"),
]
PROSE_RULES = [
    Rule("direction", "", r"(?i)\b(?:up|down)streams?\b",
         "say backend, or client (the names of others may stand in quotes or backticks)"),
]
LITERAL_RULES = [
    Rule("claim", "tests/unit/", r"\bTEST_CASE\(\"[^\"]*\b(?:works?|tests?)\b",
         "state a claim: what is true for which input"),
]
QUOTED = re.compile(r"`[^`\n]*`|\"[^\"\n]*\"|“[^”\n]*”")
FENCE = re.compile(r"^[ \t]*(```|~~~).*?^[ \t]*\1", re.MULTILINE | re.DOTALL)


def without_quotes(text):
    return QUOTED.sub(lambda m: project.blank(m[0]), text)


def without_fences(text):
    return FENCE.sub(lambda m: project.blank(m[0]), text)


def is_allowed(lines, number, name):
    nearby = "\n".join(lines[max(0, number - 2) : number])
    return bool(
        re.search(rf"tidy:allow {name} because \w", nearby)
        or re.search(rf"tidy:allow-file {name} because \w", "\n".join(lines))
    )


def apply(rules, path, view, text):
    lines = text.splitlines()
    for rule in rules:
        if not re.match(rule.where, path):
            continue
        for match in re.finditer(rule.pattern, view, re.MULTILINE):
            number = project.line_of(view, match.start())
            if not is_allowed(lines, number, rule.name):
                found = match[0].strip().split("\n")[0][:40]
                message = f"`{found}` [{rule.name}]: use instead: {rule.instead}"
                yield Finding(path, number, message)


def prose_files(root):
    """The Markdown files of the project; at the top level without descending."""
    for path in sorted(root.glob("*.md")):
        yield path.name, path.read_text(encoding="utf-8")
    yield from project.files(root, PROSE, {".md"})


def check(root):
    findings = []
    for path, text in project.files(root, CODE, project.CPP):
        comments = without_quotes(project.only_comments(text))
        findings += apply(CODE_RULES, path, project.only_code(text), text)
        findings += apply(COMMENT_RULES, path, comments, text)
        findings += apply(LITERAL_RULES, path, project.without_comments(text), text)
    for path, text in prose_files(root):
        findings += apply(PROSE_RULES, path, without_quotes(without_fences(text)), text)
    return findings


if __name__ == "__main__":
    project.main(check)
