"""All mutants of the kernels in one build, each behind a switch: they take longest to compile.

A token becomes an expression that asks at run time whether its mutant is the one that
$TRUENORM_MUTANT names. `a + b` becomes `a + At7() + b`: the same precedence, whatever a and b are,
and operators that take it for one of the two.
"""
import re

HEADER = 'lanes-inl.h'  # what all others include
PLACE = 'namespace hn = hwy::HWY_NAMESPACE;\n'

ACTIVE = '''#ifndef TRUENORM_MUTANT_H_
#define TRUENORM_MUTANT_H_
#include <cstdlib>
namespace truenorm::detail {
inline const int active_mutant = [] {
  const char* const number = std::getenv("TRUENORM_MUTANT");
  return number == nullptr ? -1 : std::atoi(number);
}();
template <int k>
struct Switch {
  static constexpr bool is_switch = true;
  static bool on() noexcept { return active_mutant == k; }
};
}  // namespace truenorm::detail
#endif
'''

OPERATORS = '''
template <class A, class At>
struct Left {
  A a;
};
#define TRUENORM_SWITCHED(op)                                                                 \\
  template <class A, class At, std::enable_if_t<At::is_switch, int> = 0>                      \\
  HWY_INLINE Left<std::decay_t<A>, At> operator op(A&& a, At) {                               \\
    return {a};                                                                               \\
  }                                                                                           \\
  template <class A, class At, class B>                                                       \\
  HWY_INLINE auto operator op(const Left<A, At>& left, const B& b) {                          \\
    return At::on() ? At::is(left.a, b) : At::was(left.a, b);                                 \\
  }
'''

BINARY = ('+', '-', '*', '/', '%', '<', '<=', '>', '>=', '==', '!=', '||', '&&')


def switchable(points):
    """Those of the kernels that have a run time, one a token: the others are built by themselves."""
    chosen = {}
    for p in points:
        if p.file.endswith('-inl.h') and 'constexpr' not in p.id.split('⟦')[0]:
            chosen.setdefault((p.file, p.start), p)
    return list(chosen.values())


def switched(point, k):
    """The text that takes the place of a point's token, and the struct it needs."""
    on, old, new = f'At{k}::on()', point.old, point.new
    base = f'struct At{k} : Switch<{k}> {{'
    if old in BINARY:
        two = 'template <class A, class B> static HWY_INLINE auto'
        return f'{old} At{k}() {old}', (f'{base} {two} was(A a, B b) {{ return a {old} b; }} '
                                        f'{two} is(A a, B b) {{ return a {new} b; }} }};')
    if old in ('++', '--'):
        return f'At{k}() <<', (f'{base} template <class T> HWY_INLINE void operator<<(T& v) const '
                               f'{{ on() ? {new}v : {old}v; }} }};')
    if old == '!':
        return f'{on} != !', f'{base} }};'
    if re.fullmatch(r'[A-Z]\w*', old):  # of namespace hn, which the function joins
        return f'Call{k}', f'''{base} }};
}} }} }}
namespace hwy::HWY_NAMESPACE {{
template <class... T> HWY_INLINE auto Call{k}(T... t) {{
  namespace hn = hwy::HWY_NAMESPACE;
  return truenorm::detail::active_mutant == {k} ? hn::{new}(t...) : hn::{old}(t...);
}}
}}
namespace truenorm::detail {{ namespace HWY_NAMESPACE {{ namespace {{'''
    return f'({on} ? {new} : {old})', f'{base} }};'


def with_switches(sources, points):
    """The sources by file with all points switched; mutant k is the k-th of the points."""
    out = dict(sources)
    texts = [switched(p, k) for k, p in enumerate(points)]
    for p, (text, struct) in sorted(zip(points, texts), key=lambda pair: -pair[0].start):
        source = out[p.file]
        out[p.file] = source[:p.start] + text + source[p.start + len(p.old):]
    structs = '\n'.join(struct for _, struct in texts)
    header = f'impl/src/{HEADER}'
    operators = OPERATORS + '\n'.join(f'TRUENORM_SWITCHED({op})' for op in BINARY)
    head, tail = out[header].split(PLACE)
    guard = head.index('HWY_BEFORE_NAMESPACE')
    head = head[:guard] + '#include <type_traits>\n#include "mutant.h"\n' + head[guard:]
    out[header] = head + PLACE + operators + '\n#undef TRUENORM_SWITCHED\n' + structs + '\n' + tail
    out['impl/src/mutant.h'] = ACTIVE
    return out
