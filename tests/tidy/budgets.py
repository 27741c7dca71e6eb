#!/usr/bin/env python3
"""Size budgets: what outgrows them wants to be split, because two ideas live in it."""
import project
from functions import functions
from project import Finding

FOLDERS = ["src", "include", "tests", "bench"]
FILE_LINES_TARGET = 300
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 5
NESTING_MAX = 3
COLUMNS_MAX = 100
SUFFIXES = project.CPP | {".py", ".js", ".css"}


def is_cpp(path):
    return path.endswith(tuple(project.CPP))


def long_lines(path, text):
    exempt = project.raw_literal_lines(text) if is_cpp(path) else set()
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > COLUMNS_MAX and number not in exempt and "://" not in line:
            yield Finding(path, number, f"{len(line)} columns, {COLUMNS_MAX} at most")


def big_functions(path, text):
    for function in functions(text):
        lines = function.last_line - function.line + 1
        if lines > FUNCTION_LINES_MAX:
            message = f"{function.name} has {lines} lines, {FUNCTION_LINES_MAX} at most: split it"
            yield Finding(path, function.line, message)
        if function.parameters > PARAMETERS_MAX:
            message = f"{function.name} has {function.parameters} parameters, "
            message += f"{PARAMETERS_MAX} at most: group them in a struct"
            yield Finding(path, function.line, message)
        if function.nesting > NESTING_MAX:
            message = f"{function.name} nests {function.nesting} control structures, "
            message += f"{NESTING_MAX} at most: return early, or extract a function"
            yield Finding(path, function.nesting_line, message)


def check(root):
    findings = []
    for path, text in project.files(root, FOLDERS, SUFFIXES):
        lines = text.count("\n")
        if lines > FILE_LINES_MAX:
            message = f"{lines} lines, {FILE_LINES_MAX} at most: split the file"
            findings.append(Finding(path, lines, message))
        findings += long_lines(path, text)
        if is_cpp(path):
            findings += big_functions(path, text)
    return findings


def print_notes(root):
    for path, text in project.files(root, FOLDERS, SUFFIXES):
        lines = text.count("\n")
        if FILE_LINES_TARGET < lines <= FILE_LINES_MAX:
            print(f"note: {path} has {lines} lines, the target is {FILE_LINES_TARGET}")


if __name__ == "__main__":
    print_notes(project.ROOT)
    project.main(check)
