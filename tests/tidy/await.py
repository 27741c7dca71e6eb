#!/usr/bin/env python3
"""Every co_await stands alone in its statement, and no coroutine lambda captures.

g++ 12 accepts the other forms without a warning and then miscompiles some of them: frames that
never resume, are freed twice, or are used after they were freed.
"""
import re

import project
from project import Finding

FORMS = "`auto x = co_await f();`, `co_await f();` or `co_return co_await f();`"
STANDS_ALONE = re.compile(
    r"(?:(?:const )?auto(?:&&?)? \w+ = |co_return )?co_await (?P<awaited>[^{}\[\]?]*)"
)
AWAIT = re.compile(r"(?<!operator )\bco_await\b")
COROUTINE = re.compile(r"\bco_(?:await|return|yield)\b")
LAMBDA = re.compile(
    r"(?<![\w)\]\[])\[(?P<captures>[^\[\]]*)\]\s*(?:<[^{}()]*>\s*)?"
    r"(?:\((?:[^()]|\([^()]*\))*\))?[^{}();\[\]=]*\{"
)


def closing(code, start):
    """Position of the bracket that closes the one at start, or the end of the text."""
    depth = 0
    for position in range(start, len(code)):
        if code[position] in "([{":
            depth += 1
        elif code[position] in ")]}":
            depth -= 1
            if depth == 0:
                return position
    return len(code)


def statement_starts(code):
    """Maps each co_await's position to where its statement begins, or to None inside ( or [."""
    awaits = {match.start() for match in AWAIT.finditer(code)}
    starts = {}
    open_brackets = [("{", 0)]
    for position, character in enumerate(code):
        bracket, begin = open_brackets[-1]
        if position in awaits:
            starts[position] = begin if bracket == "{" else None
        elif character in "([{":
            open_brackets.append((character, position + 1))
        elif character in ")]}" and len(open_brackets) > 1:
            open_brackets.pop()
        if character in ";}":
            open_brackets[-1] = (open_brackets[-1][0], position + 1)
    return starts


def without_controls(statement):
    """Removes what may stand before a statement: labels, else, do, if (…), for (…), while (…)."""
    while True:
        match = re.match(r"(?:else|do)\b ?|(?:case [\w:]+|default|\w+) ?:(?!:) ?", statement)
        if match:
            statement = statement[match.end() :]
            continue
        match = re.match(r"(?:if|for|while)(?: constexpr)? ?\(", statement)
        if not match:
            return statement
        statement = statement[closing(statement, match.end() - 1) + 1 :].lstrip()


def stands_alone(code, start, position):
    if start is None:
        return False
    end = re.compile(r"[;{}]").search(code, position)
    statement = " ".join(code[start : end.start() if end else len(code)].split())
    match = STANDS_ALONE.fullmatch(without_controls(statement))
    if not match or not end or end[0] != ";":
        return False
    return not re.search(r"&&|\|\||\bco_await\b", match["awaited"])


def capturing_coroutines(code):
    lambdas = [(m, closing(code, m.end() - 1)) for m in LAMBDA.finditer(code)]
    for match, end in lambdas:
        body = code[match.end() : end]
        for inner, inner_end in lambdas:
            if match.start() < inner.start() < end:
                first, last = inner.start() - match.end(), inner_end - match.end()
                body = body[:first] + " " * (last - first) + body[last:]
        if match["captures"].strip() and COROUTINE.search(body):
            yield match.start()


def check(root):
    findings = []
    for path, text in project.files(root, ["src", "include", "tests", "bench"], project.CPP):
        if "co_" not in text:
            continue
        code = project.only_code(text)
        for position, start in statement_starts(code).items():
            if not stands_alone(code, start, position):
                line = project.line_of(code, position)
                findings.append(Finding(path, line, f"co_await must stand alone: {FORMS}"))
        for position in capturing_coroutines(code):
            message = "a coroutine lambda may not capture: pass what it needs as a parameter"
            findings.append(Finding(path, project.line_of(code, position), message))
    return findings


if __name__ == "__main__":
    project.main(check)
