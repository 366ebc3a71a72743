"""Most mutants in one build, each behind a switch, because builds take longest.

A token becomes an expression that asks at run time whether its mutant is the one that
$TRUENORM_MUTANT names. `a + b` becomes `a + At7() + b`: the same precedence, whatever a and b are,
and operators that take it for the one or the other.
"""
import re

# What the kernels include first, and where: their switches are of each instruction set.
KERNELS = 'impl/src/lanes-inl.h'
PLACE = 'namespace hn = hwy::HWY_NAMESPACE;\n'
SWITCHES = 'impl/src/switches.h'

BINARY = ('+', '-', '*', '/', '%', '<<', '>>', '&', '|', '<', '<=', '>', '>=', '==', '!=')
ASSIGNMENT = ('+=', '-=', '*=', '/=', '|=', '&=')

HEAD = '''#ifndef TRUENORM_SWITCHES_H_
#define TRUENORM_SWITCHES_H_
#include <algorithm>
#include <cstdlib>
#include <type_traits>
namespace truenorm::switches {
inline const int active = [] {
  const char* const number = std::getenv("TRUENORM_MUTANT");
  return number == nullptr ? -1 : std::atoi(number);
}();
template <int k>
struct Switch {
  static constexpr bool is_switch = true;
  static bool on() noexcept { return active == k; }
};
}  // namespace truenorm::switches
#endif
'''

OPERATORS = '''
template <class T, class At>
struct Side {
  T value;
};
#define TRUENORM_BINARY(op)                                                                   \\
  template <class A, class At, std::enable_if_t<At::is_switch, int> = 0>                      \\
  [[gnu::always_inline]] inline Side<std::decay_t<A>, At> operator op(A&& a, At) {            \\
    return {a};                                                                               \\
  }                                                                                           \\
  template <class A, class At, class B>                                                       \\
  [[gnu::always_inline]] inline auto operator op(const Side<A, At>& a, const B& b) {          \\
    return At::on() ? At::is(a.value, b) : At::was(a.value, b);                               \\
  }
#define TRUENORM_ASSIGNMENT(op)                                                               \\
  template <class B, class At, std::enable_if_t<At::is_switch, int> = 0>                      \\
  [[gnu::always_inline]] inline Side<B, At> operator op(At, B b) {                            \\
    return {b};                                                                               \\
  }                                                                                           \\
  template <class A, class At, class B>                                                       \\
  [[gnu::always_inline]] inline A& operator op(A& a, const Side<B, At>& b) {                  \\
    if (At::on()) {                                                                           \\
      At::is(a, b.value);                                                                     \\
    } else {                                                                                  \\
      At::was(a, b.value);                                                                    \\
    }                                                                                         \\
    return a;                                                                                 \\
  }
''' + '\n'.join([f'TRUENORM_BINARY({op})' for op in BINARY] +
                [f'TRUENORM_ASSIGNMENT({op})' for op in ASSIGNMENT]) + '''
#undef TRUENORM_BINARY
#undef TRUENORM_ASSIGNMENT
'''


def named(point):
    """True if a function is exchanged for another."""
    return re.fullmatch(r'[A-Za-z]\w*', point.old) and point.old not in ('true', 'false')


def has_run_time(point, source):
    """False for constants and within functions that the compiler evaluates."""
    begin = source.rfind('\n', 0, point.start) + 1
    outer = [line for line in source[:begin].splitlines() if re.match(r'(  )?\w.*{$', line)][-1:]
    return not any('constexpr' in line.replace('if constexpr', '')
                   for line in [source[begin:point.start], *outer])


def switchable(points, sources):
    """One point a token, and of those that have a run time. The others are built by themselves, as
    is what may keep its right side from being computed."""
    chosen = {}
    for p in points:
        source = sources[p.file]
        after = source[p.start + len(p.old):]
        if (p.old in ('&&', '||') or re.match(r'\(\{|<[^(]*>\(\{', after) or
                (p.old in ('++', '--') and not re.match(r'\w', after)) or
                (named(p) and not source[:p.start].endswith(('std::', 'hn::')))):
            continue
        if has_run_time(p, source):
            chosen.setdefault((p.file, p.start), p)
    return list(chosen.values())


def switched(p, k):
    """The text that takes the place of a point's token, and the struct it needs."""
    at = f'At{k}' if p.file.endswith('-inl.h') else f'truenorm::detail::At{k}'
    head = f'struct At{k} : switches::Switch<{k}> {{'
    function = '[[gnu::always_inline]] static inline auto'
    if p.old in BINARY + ASSIGNMENT:
        first, kind = ('A& a', 'decltype(auto)') if p.old in ASSIGNMENT else ('A a', 'auto')
        two = f'template <class A, class B> {function.replace("auto", kind)}'
        return (f'{p.old} {at}() {p.old}',
                f'{head} {two} was({first}, B b) {{ return a {p.old} b; }}\n'
                f'{two} is({first}, B b) {{ return a {p.new} b; }} }};')
    if p.old in ('++', '--'):
        return (f'{at}() <<', f'{head} template <class T> [[gnu::always_inline]] inline T& '
                f'operator<<(T& v) const {{ return on() ? {p.new}v : {p.old}v; }} }};')
    if p.old == '!':
        return f'{at}::on() != !', f'{head} }};'
    if named(p):
        return f'Call{k}', f'{head} }};'
    return f'({at}::on() ? {p.new} : {p.old})', f'{head} }};'


def calls(points, kernels):
    """Functions of a namespace that call one or the other of its own."""
    return '\n'.join(
        f'template <class... T> [[gnu::always_inline]] inline auto Call{k}(T... t) {{\n'
        f'  return truenorm::switches::active == {k} ? {p.new}(t...) : {p.old}(t...);\n}}'
        for k, p in points if named(p) and p.file.endswith('-inl.h') == kernels)


def with_switches(sources, points):
    """The sources by file with all points switched; mutant k is the k-th of the points."""
    out, numbered = dict(sources), list(enumerate(points))
    for k, p in sorted(numbered, key=lambda pair: -pair[1].start):
        text = switched(p, k)[0]
        out[p.file] = out[p.file][:p.start] + text + out[p.file][p.start + len(p.old):]
    kernels = '\n'.join(switched(p, k)[1] for k, p in numbered if p.file.endswith('-inl.h'))
    others = '\n'.join(switched(p, k)[1] for k, p in numbered if not p.file.endswith('-inl.h'))
    body = (f'namespace truenorm::detail {{\n{OPERATORS}\n{others}\n}}\n'
            f'namespace std {{\n{calls(numbered, False)}\n}}\n')
    out[SWITCHES] = HEAD.replace('#endif\n', body + '#endif\n')
    head, tail = out[KERNELS].split(PLACE)
    before, after = head.split('namespace truenorm::detail {\n', 1)
    out[KERNELS] = (f'{before}namespace hwy::HWY_NAMESPACE {{\n{calls(numbered, True)}\n}}\n'
                    f'namespace truenorm::detail {{\n{after}{PLACE}{OPERATORS}\n{kernels}\n{tail}')
    return {name: f'#include "switches.h"\n{text}' if name.endswith(('.h', '.cc')) and name != SWITCHES
            and not name.endswith('-inl.h') else text for name, text in out.items()}
