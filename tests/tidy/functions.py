"""Finds the functions of a C++ file by its braces: exact enough for code in our format.

No compiler is asked, so that the budgets are checked in a second and without a build.
"""
import re
from dataclasses import dataclass

import project

CONTROL = re.compile(r"\belse if\b|\b(?:if|else|for|while|switch|do|try|catch)\b")
TEMPLATE = re.compile(r"^(?:template ?<(?:[^<>]|<(?:[^<>]|<[^<>]*>)*>)*> ?)+")
SCOPE = re.compile(r'^(?:inline )?namespace\b|^extern "[^"]*"$|^TEST_SUITE ?\(')
TYPE = re.compile(r"^(?:typedef )?(?:class|struct|union|enum)\b[^()]*$")
NOT_A_NAME = re.compile(
    r"\[\[[^\]]*\]\]|\b(?:alignas|decltype|explicit|requires|__attribute__) ?\("
)
NAME = re.compile(
    r"(?P<name>operator ?\(\)|operator ?[^\w\s(]+|operator [\w:<>&* ]+|~?[\w:~]+) ?\("
)
PARENTHESES = r"\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\)"
LAMBDA = re.compile(
    r"(?<![\w)\]\[])\[[^\[\]]*\] ?(?:<[^{}()]*> ?)?(?P<parameters>" + PARENTHESES + r")?"
    r"[^{}();\[\]=]*$"
)
TOKEN = re.compile(r"([{}();\n]|\b(?:public|private|protected):(?!:))")
# The brace in `X::X() : a_{1}` belongs to a member; the body's brace follows `)` or `}`.
MEMBER = re.compile(r"\)(?: noexcept)? ?:(?!:).*[\w>]$")


@dataclass
class Function:
    name: str
    line: int
    parameters: int
    last_line: int = 0
    nesting: int = 0
    nesting_line: int = 0


@dataclass
class Frame:
    """What is inside one pair of braces, and the text since the last statement in there."""

    kind: str  # scope, function, lambda, control, block or initializer
    function: Function | None = None
    nesting: int = 0
    head: str = ""
    head_line: int = 0
    parentheses: int = 0


def count_parameters(text):
    if text.strip() in ("", "void"):
        return 0
    depth = commas = 0
    for character in text.replace("->", ""):
        depth += (character in "<([{") - (character in ">)]}")
        commas += character == "," and depth == 0
    return commas + 1


def parse_signature(head):
    """(name, number of parameters) if the head is that of a function, else None."""
    head = TEMPLATE.sub("", head)
    other = NOT_A_NAME.search(head)
    while other:
        # The parenthesis of alignas(…) and its kind goes as well as the word.
        group = re.compile(PARENTHESES).search(head, other.end() - 1)
        last = group.end() if other[0].endswith("(") and group else other.end()
        head = head[: other.start()] + head[last:]
        other = NOT_A_NAME.search(head)
    match = NAME.search(head)
    if not match or "=" in head[: match.start()] or match["name"] == "static_assert":
        return None
    group = re.compile(PARENTHESES).match(head, match.end() - 1)
    is_macro = re.fullmatch(r"[A-Z][A-Z0-9_]+", match["name"])
    return match["name"], 0 if is_macro or not group else count_parameters(group[0][1:-1])


def open_frame(outer, head):
    """Tells what the brace behind `head` opens."""
    inside_function = outer.function is not None
    found = LAMBDA.search(head)
    if found:
        parameters = count_parameters((found["parameters"] or "()")[1:-1])
        return Frame("lambda", Function("a lambda", outer.head_line, parameters), outer.nesting)
    if outer.parentheses > 0:
        return Frame("initializer", outer.function, outer.nesting)
    if SCOPE.search(head) or TYPE.search(TEMPLATE.sub("", NOT_A_NAME.sub("", head))):
        return Frame("scope")
    if inside_function:
        controls = len(CONTROL.findall(re.sub(PARENTHESES, "", head)))
        if controls:
            return Frame("control", outer.function, outer.nesting + controls)
        is_block = not head or head.endswith(":") or re.match(r"[A-Z_]+ ?\(", head)
        return Frame("block" if is_block else "initializer", outer.function, outer.nesting)
    signature = None if MEMBER.search(head) else parse_signature(head)
    if signature:
        return Frame("function", Function(signature[0], outer.head_line, signature[1]))
    return Frame("initializer")


def functions(text):
    """Every function and lambda with a body, and every declaration (whose last_line is 0)."""
    found = []
    frames = [Frame("scope")]
    line = 1
    for token in TOKEN.split(project.only_code(text)):
        frame = frames[-1]
        if token == "\n":
            line += 1
            token = " "
        if token == "{":
            opened = open_frame(frame, " ".join(frame.head.split()))
            if opened.kind in ("function", "lambda"):
                found.append(opened.function)
            if opened.kind == "control" and opened.nesting > opened.function.nesting:
                opened.function.nesting, opened.function.nesting_line = opened.nesting, line
            frames.append(opened)
        elif token == "}":
            close_frame(frames, line)
        elif token == ";" and frame.parentheses <= 0:
            signature = frame.kind == "scope" and parse_signature(" ".join(frame.head.split()))
            if signature:
                found.append(Function(signature[0], frame.head_line, signature[1]))
            frame.head = ""
            frame.parentheses = 0
        elif token.endswith(":") and TOKEN.fullmatch(token):
            frame.head = ""
        else:
            if not frame.head.strip() and token.strip():
                frame.head_line = line
            frame.head += token
            frame.parentheses += (token == "(") - (token == ")")
    return found


def close_frame(frames, line):
    if len(frames) == 1:
        return
    closed = frames.pop()
    if closed.kind in ("function", "lambda"):
        closed.function.last_line = line
    outer = frames[-1]
    if closed.kind in ("initializer", "lambda"):
        outer.head += "{}"
    else:
        outer.head = ""
        outer.parentheses = 0
