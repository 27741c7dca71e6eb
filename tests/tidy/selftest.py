#!/usr/bin/env python3
"""The checks on small trees: what each has to find, and what it has to leave alone."""
import importlib
import tempfile
import unittest
from pathlib import Path

import budgets
import floors
import functions
import project
import words

waits = importlib.import_module("await")  # `import await` is no Python


class CheckCase(unittest.TestCase):
    def findings(self, check, files):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text, encoding="utf-8")
            return [str(finding) for finding in check(root)]

    def assert_finds(self, check, files, *expected):
        found = self.findings(check, files)
        for part in expected:
            self.assertTrue(any(part in line for line in found), f"{part!r} not in {found}")
        self.assertEqual(len(found), len(expected), found)

    def assert_clean(self, check, files):
        self.assertEqual(self.findings(check, files), [])


class Floors(CheckCase):
    def edge(self, path, include):
        return lambda root: list(floors.forbidden_edges(root)), {path: f"#include {include}\n"}

    def assert_forbidden(self, path, include, *expected):
        self.assert_finds(*self.edge(path, include), *(expected or ("may not",)))

    def assert_permitted(self, path, include):
        self.assert_clean(*self.edge(path, include))

    def test_the_table_holds_between_floors(self):
        self.assert_permitted("src/net/a.cpp", '"mcplb/async/task.hpp"')
        self.assert_permitted("src/http/a.cpp", '"mcplb/base/result.hpp"')
        self.assert_permitted("src/proxy/a.cpp", '"mcplb/redis/client.hpp"')
        self.assert_forbidden("src/net/a.cpp", '"mcplb/http/head.hpp"', "src/net/a.cpp:1: net may")
        self.assert_forbidden("src/base/a.cpp", '"mcplb/async/task.hpp"')
        self.assert_forbidden("src/session/a.cpp", '"mcplb/http/head.hpp"')
        self.assert_forbidden("src/admin/a.cpp", '"mcplb/proxy/proxy.hpp"')
        self.assert_forbidden("include/mcplb/cluster/a.hpp", '"mcplb/session/a.hpp"')

    def test_config_sees_only_settings(self):
        self.assert_permitted("src/config/a.cpp", '"mcplb/proxy/settings.hpp"')
        self.assert_permitted("src/config/a.cpp", '"mcplb/base/text.hpp"')
        self.assert_forbidden("src/config/a.cpp", '"mcplb/proxy/proxy.hpp"')

    def test_the_server_level_sees_every_floor(self):
        self.assert_permitted("src/server.cpp", '"mcplb/proxy/proxy.hpp"')
        self.assert_permitted("src/main.cpp", '"server.hpp"')
        self.assert_permitted("src/demo/a.cpp", '"demo/a.hpp"')
        self.assert_forbidden("src/server.cpp", '"proxy/exchange.hpp"', "is private to proxy")

    def test_the_benchmarks_see_every_public_header_and_are_seen_by_nobody(self):
        self.assert_permitted("bench/load/a.cpp", '"mcplb/net/loop.hpp"')
        self.assert_permitted("bench/load/a.cpp", '"texts/texts.hpp"')
        self.assert_permitted("bench/load/a.cpp", "<uv.h>")
        self.assert_forbidden("bench/load/a.cpp", '"net/tcp_stream.hpp"', "is private to net")
        self.assert_forbidden("bench/load/a.cpp", "<llhttp.h>")
        self.assert_forbidden("src/server.cpp", '"texts/texts.hpp"', "write the include from")

    def test_private_headers_stay_on_their_floor(self):
        self.assert_permitted("src/proxy/a.cpp", '"proxy/exchange.hpp"')
        self.assert_forbidden("src/admin/a.cpp", '"cluster/table.hpp"', "is private to cluster")
        self.assert_forbidden("include/mcplb/net/a.hpp", '"net/b.hpp"', "a public header may not")
        self.assert_forbidden("src/net/a.cpp", '"b.hpp"', "write the include from")
        self.assert_forbidden("src/net/a.cpp", '"../http/b.hpp"', "write the include from")
        self.assert_forbidden("src/net/a.cpp", "<mcplb/base/a.hpp>", "is not known")

    def test_a_concrete_balancer_is_known_to_cluster_alone(self):
        header = '"mcplb/cluster/balancers/round_robin.hpp"'
        self.assert_forbidden("src/proxy/a.cpp", header, "concrete balancer")
        self.assert_permitted("src/cluster/a.cpp", '"cluster/balancers/round_robin.hpp"')

    def test_third_party_code_stays_on_its_floor(self):
        for path, include in [("src/net/a.cpp", "<uv.h>"), ("src/http/a.cpp", "<llhttp.h>"),
                              ("src/mcp/a.cpp", "<simdjson.h>"), ("src/cli.cpp", "<CLI/CLI.hpp>"),
                              ("src/config/a.cpp", "<yaml-cpp/yaml.h>"),
                              ("src/mcp/a.cpp", "<openssl/hmac.h>"),
                              ("src/proxy/a.cpp", "<nlohmann/json.hpp>"),
                              ("src/demo/a.cpp", "<nlohmann/json.hpp>")]:
            self.assert_permitted(path, include)
        for path, include in [("src/server.cpp", "<uv.h>"), ("src/server.cpp", "<CLI/CLI.hpp>"),
                              ("src/proxy/a.cpp", "<simdjson.h>"), ("src/net/a.cpp", "<llhttp.h>"),
                              ("src/cluster/a.cpp", "<nlohmann/json.hpp>"),
                              ("src/wire/a.cpp", "<openssl/ssl.h>")]:
            self.assert_forbidden(path, include)
        self.assert_forbidden("src/net/a.cpp", "<boost/asio.hpp>", "is not known")

    def test_the_floors_without_io_include_none(self):
        self.assert_permitted("src/net/a.cpp", "<sys/socket.h>")
        self.assert_forbidden("src/http/a.cpp", "<sys/socket.h>", "does no I/O")
        self.assert_permitted("src/http/a.cpp", "<string.h>")

    def test_comments_include_nothing(self):
        text = '// #include <uv.h>\n/*\n#include "mcplb/proxy/a.hpp"\n*/\n'
        check = lambda root: list(floors.forbidden_edges(root))
        self.assert_clean(check, {"src/base/a.cpp": text})

    def test_a_public_header_needs_another_floor(self):
        check = lambda root: list(floors.dead_headers(root))
        header = {"include/mcplb/base/a.hpp": "", "src/base/a.cpp": '#include "mcplb/base/a.hpp"\n'}
        self.assert_finds(check, header, "include/mcplb/base/a.hpp:1: no other floor includes")
        self.assert_finds(check, header | {"tests/unit/a.cpp": '#include "mcplb/base/a.hpp"\n'},
                          "move it to src/base/")
        self.assert_clean(check, header | {"src/net/a.cpp": '#include "mcplb/base/a.hpp"\n'})
        self.assert_clean(check, header | {"src/server.cpp": '#include "mcplb/base/a.hpp"\n'})
        self.assert_finds(check, header | {"bench/load/a.cpp": '#include "mcplb/base/a.hpp"\n'},
                          "move it to src/base/")

    def test_a_public_header_may_be_needed_through_another(self):
        check = lambda root: list(floors.dead_headers(root))
        tree = {"include/mcplb/base/a.hpp": "", "src/net/a.cpp": '#include "mcplb/base/b.hpp"\n',
                "include/mcplb/base/b.hpp": '#include "mcplb/base/a.hpp"\n'}
        self.assert_clean(check, tree)
        self.assert_finds(check, tree | {"src/net/a.cpp": ""}, "base/a.hpp", "base/b.hpp")

    def test_every_floor_has_a_readme_and_a_place_in_the_table(self):
        check = lambda root: list(floors.places(root))
        self.assert_finds(check, {"src/net/a.cpp": ""}, "src/net/README.md:1: is missing")
        self.assert_clean(check, {"src/net/a.cpp": "", "src/net/README.md": "# net\n"})
        self.assert_finds(check, {"src/misc/a.cpp": ""}, "this folder is no floor")
        self.assert_clean(check, {"src/main.cpp": "", "src/demo/a.cpp": ""})


class Await(CheckCase):
    def assert_rejected(self, body, count=1):
        found = self.findings(waits.check, {"src/net/a.cpp": f"Task<int> f() {{\n{body}\n}}\n"})
        self.assertEqual(len(found), count, (body, found))

    def test_standing_alone_is_accepted(self):
        for body in ["co_await f();", "auto x = co_await f(a, b);", "co_return co_await f(g(1));",
                     "const auto x = co_await f();", "auto&& x = co_await f();",
                     "if (x) co_await f();", "if (a) {\n} else co_await f();",
                     "while (!done()) { auto x = co_await f(); }", "for (;;) co_await f();",
                     "switch (x) { case A::b: co_await f(); break; default: co_await g(); }",
                     "auto x = co_await f(\n    a,\n    b);", 'co_await f("{}?", \'{\');',
                     "// if (co_await f()) g();\nco_await f();", "co_return;",
                     "auto x = co_await f(a >= 3);", "co_await (*task);"]:
            self.assert_rejected(body, 0)

    def test_every_other_form_is_rejected(self):
        for body in ["if (co_await f()) g();", "if (!co_await f()) co_return;",
                     "while (co_await f()) {}", "for (; co_await f();) {}",
                     "switch (co_await f()) {}", "g(co_await f());", "g({1}, co_await f());",
                     "x = co_await f();", "auto [a, b] = co_await f();", "co_await f({1, 2});",
                     "co_await f(x ? 1 : 2);", "co_await f(a[0]);", "co_await f(a && b);",
                     "auto x = X{co_await f()};", "v[co_await f()] = 1;", "co_await Sleep{1};",
                     "auto x = 1 + co_await f();", "return x ? y : co_await f();",
                     "co_await f([] { return 1; });", "Result<int> x = co_await f();"]:
            self.assert_rejected(body)
        self.assert_rejected("co_await f(co_await g());", 2)

    def test_an_awaitable_may_be_defined(self):
        text = "auto operator co_await() { return 1; }\n"
        self.assert_clean(waits.check, {"src/net/a.hpp": text})

    def test_a_coroutine_lambda_captures_nothing(self):
        for capture, count in [("", 0), ("this", 1), ("&", 1), ("x = 1", 1)]:
            self.assert_rejected(f"auto g = [{capture}](int a) -> Task<int> {{ co_return a; }};",
                                 count)
        self.assert_rejected("auto g = [&] { return h(); };", 0)
        self.assert_rejected("auto g = [&] { return [](int a) -> T { co_return a; }(1); };", 0)

    def test_tests_are_checked_too(self):
        path = "tests/unit/net/a_test.cpp"
        self.assert_finds(waits.check, {path: "\nif (co_await f()) {}"}, path + ":2: co_await must")


class Budgets(CheckCase):
    def assert_over(self, text, *expected):
        self.assert_finds(budgets.check, {"src/net/a.cpp": text}, *expected)

    def test_lengths_of_files_lines_and_functions(self):
        self.assert_over("\n" * 500)
        self.assert_over("\n" * 501, "501 lines, 500 at most")
        self.assert_over("x" * 100 + "\n")
        self.assert_over("\n" + "x" * 101 + "\n", "src/net/a.cpp:2: 101 columns")
        self.assert_over('auto page = R"(\n' + "x" * 200 + '\n)";\n')
        self.assert_over("\nvoid f() {\n" + "g();\n" * 68 + "}\n")
        self.assert_over("\nvoid f() {\n" + "g();\n" * 69 + "}\n", "a.cpp:2: f has 71 lines, 70")
        case = 'TEST_SUITE("a") {\nTEST_CASE("b") {\n' + "g();\n" * 60 + "}\n"
        self.assert_over(case + case[17:] + "}\n")

    def test_parameters(self):
        self.assert_over("void f(int a, int b, std::map<int, X> c, int d, int e = g(1, 2)) {}\n")
        self.assert_over("void f(int a, int b, int c, int d, int e, int f) {}\n", "f has 6 param")
        self.assert_over("struct X {\n  void f(int, int, int, int, int, int) const;\n};\n", ":2: f")
        self.assert_over("auto f = [](int, int, int, int, int, int) {};\n", "a lambda has 6")
        self.assert_over("void f() { g(1, 2, 3, 4, 5, 6); }\n")
        self.assert_over("const int x = g(1, 2, 3, 4, 5, 6);\n")

    def test_nesting(self):
        deep = "void f() {\n  for (;;) {\n    if (a) {\n      while (b) {\n        %s\n}\n}\n}\n}\n"
        self.assert_over(deep % "if (c) return;")
        self.assert_over(deep % "if (c) {}", ":5: f nests 4 control structures")
        self.assert_over(deep % "g([] { if (c) {} });", ":5: a lambda nests 4")
        self.assert_over("void f() {\n" + "if (a) {\n} else " * 9 + "if (b) {\n}\n}\n")
        self.assert_over("void f() { {{{{ X x{{{1}}}; }}}} }\n")

    def test_functions_are_found(self):
        text = """
namespace a {
class Foo final : public Bar<int> {
 public:
  Foo() : a_{1}, b_(2), c_{X{1}} { if (x) { y(); } }
  [[nodiscard]] bool operator==(const Foo& o) const { return a_ == o.a_; }
  explicit operator bool() const { return true; }
  virtual void rank(int a, int b) = 0;
  int a_ = 3;
};
struct alignas(64) Y { int a{0}; };
enum class E { a, b };
constexpr std::array<int, 2> table = {{1, 2}};
template <class T>
concept C = requires(T t) { t.x(); };
template <class T>
  requires std::integral<T>
auto f(T a, std::vector<int> b = {}) -> std::vector<int> {
  for (int i : {1, 2}) { }
  if (std::any_of(a, b, [&](auto v) { return v; })) { }
}
}
extern "C" int g(const char* d) { return 0; }
"""
        found = {f.name: (f.line, f.last_line, f.parameters) for f in functions.functions(text)}
        self.assertEqual(found, {
            "Foo": (5, 5, 0), "operator==": (6, 6, 1), "operator bool": (7, 7, 0),
            "rank": (8, 0, 2), "f": (16, 21, 2), "a lambda": (20, 20, 1), "g": (23, 23, 1)})


class Words(CheckCase):
    def assert_word(self, path, text, *expected):
        self.assert_finds(words.check, {path: text}, *expected)

    def test_our_words(self):
        self.assert_word("src/net/a.cpp", "int upstream_count;\n", "say backend")
        self.assert_word("src/net/a.cpp", "// The Upstream is slow.\n", "say backend")
        self.assert_word("src/net/README.md", "# net\nThe downstream side.\n", "README.md:2")
        self.assert_word("docs/a.md", "nginx calls it `upstream` or \"upstream\".\n")
        self.assert_word("docs/a.md", "```\nupstream x {}\n```\n")
        self.assert_word("src/net/a.cpp", "// As nginx's `upstream`.\n")

    def test_calls_with_a_replacement(self):
        for text, expected in [("throw 1;", "an Error"), ("t.detach();", "Nursery"),
                               ("delete this;", "cancel_soon"), ("assert(x);", "MCPLB_ASSERT"),
                               ("std::shared_ptr<X> x;", "unique_ptr"),
                               ("std::stoi(s)", "from_chars"),
                               ("printf(x);", "log through"), ("x = NULL;", "nullptr"),
                               ("std::chrono::system_clock::now()", "clock of base")]:
            self.assert_word("src/proxy/a.cpp", f"void f() {{ {text} }}\n", expected)

    def test_what_only_looks_alike(self):
        for text in ["static_assert(x);", "std::shared_ptr<const X> x;", 'log("throw");',
                     "snprintf(a, b);", "// The compiler may throw it away.", "x.assert_here();"]:
            self.assert_word("src/proxy/a.cpp", text + "\n")
        self.assert_word("src/base/log.cpp", "std::fprintf(f, x);\n")
        self.assert_word("src/cli.cpp", "std::cout << x;\n")

    def test_unit_tests_do_not_sleep_and_claim_something(self):
        path = "tests/unit/net/a_test.cpp"
        self.assert_word(path, "std::this_thread::sleep_for(1s);\n", "fake clock")
        self.assert_word(path, "sleep(1);\n", "fake clock")
        self.assert_word(path, "co_await sleep(loop);\n")
        self.assert_word(path, 'TEST_CASE("parser works") {}\n', "state a claim")
        self.assert_word(path, 'TEST_CASE("refuses a second host header") {}\n')

    def test_an_exception_says_why(self):
        path = "src/config/a.cpp"
        self.assert_word(path, "// tidy:allow throw because the library asks for it.\nthrow 1;\n")
        self.assert_word(path, "throw 1;  // tidy:allow throw\n", "an Error")
        file_wide = "// tidy:allow-file throw because this file catches it.\n"
        self.assert_word(path, file_wide + "\n\nthrow 1;\nthrow 2;\n")

    def test_unfinished_work_names_its_condition(self):
        self.assert_word("src/a.cpp", "// TODO: faster.\n", "TODO(perf|safety|cleanup)")
        self.assert_word("src/a.cpp", "// TODO(perf): once a profile shows it.\n")


class Text(unittest.TestCase):
    def test_code_comments_and_literals_are_told_apart(self):
        text = "int a = 1'000; // x\nauto s = R\"(// y\n)\"; char c = '\"'; /* z */ int b;\n"
        code = project.only_code(text)
        self.assertEqual(len(code), len(text))
        self.assertEqual(code.split(), 'int a = 1\'000; auto s = R )" ; char c = \' \'; int b;'
                         .replace(')" ;', '";').split())
        self.assertEqual(project.only_comments(text).split(), ["//", "x", "/*", "z", "*/"])


if __name__ == "__main__":
    unittest.main(verbosity=1)
