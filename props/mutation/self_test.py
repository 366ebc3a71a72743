"""Tests of points.py, on a snippet with every trap and on the sources themselves."""
import re
from collections import Counter

from points import KINDS, mutated, points_of, sample, tokens
from switches import switchable, switched, with_switches

SNIPPET = '''
// a + b; comments are left alone
#define N (1 + 2)
static_assert(sizeof(int) == 4 && N < 5);
template <int K = 1, class T = Pair<0, 1>>
bool operator==(const T& a, const T* b) {
  const char* text = "1 + 1 < 3";  // 1 + 1
  float room[4 * K], *p = nullptr;
  for (int i = 0; i < a.n + 2; ++i) p[i] += hn::MulAdd(Load<3>(d, -p), std::max<int>(a, b), 0.5f);
  return !Less<1>(a && b) || 0x1p-7 <= *p ? true : false;
}
'''
EXPECTED = '''
for (int i = ⟦0 → 1⟧; i < a.n + 2; ++i) p[i] += hn::MulAdd(Load<3>(d, -p), std::max<int>(a, b), 0.5f);
for (int i = 0; i ⟦< → <=⟧ a.n + 2; ++i) p[i] += hn::MulAdd(Load<3>(d, -p), std::max<int>(a, b), 0.5f);
for (int i = 0; i ⟦< → < -1 +⟧ a.n + 2; ++i) p[i] += hn::MulAdd(Load<3>(d, -p), std::max<int>(a, b), 0.5f);
for (int i = 0; i < a.n ⟦+ → -⟧ 2; ++i) p[i] += hn::MulAdd(Load<3>(d, -p), std::max<int>(a, b), 0.5f);
for (int i = 0; i < a.n + ⟦2 → 3⟧; ++i) p[i] += hn::MulAdd(Load<3>(d, -p), std::max<int>(a, b), 0.5f);
for (int i = 0; i < a.n + 2; ⟦++ → --⟧i) p[i] += hn::MulAdd(Load<3>(d, -p), std::max<int>(a, b), 0.5f);
for (int i = 0; i < a.n + 2; ++i) p[i] ⟦+= → -=⟧ hn::MulAdd(Load<3>(d, -p), std::max<int>(a, b), 0.5f);
for (int i = 0; i < a.n + 2; ++i) p[i] += hn::⟦MulAdd → NegMulAdd⟧(Load<3>(d, -p), std::max<int>(a, b), 0.5f);
for (int i = 0; i < a.n + 2; ++i) p[i] += hn::MulAdd(Load<3>(d, -p), std::⟦max → min⟧<int>(a, b), 0.5f);
for (int i = 0; i < a.n + 2; ++i) p[i] += hn::MulAdd(Load<3>(d, -p), std::max<int>(a, b), ⟦0.5f → 1.5f⟧);
return ⟦! → ⟧Less<1>(a && b) || 0x1p-7 <= *p ? true : false;
return !Less<1>(a ⟦&& → ||⟧ b) || 0x1p-7 <= *p ? true : false;
return !Less<1>(a && b) ⟦|| → &&⟧ 0x1p-7 <= *p ? true : false;
return !Less<1>(a && b) || ⟦0x1p-7 → 0x1p7⟧ <= *p ? true : false;
return !Less<1>(a && b) || 0x1p-7 ⟦<= → <⟧ *p ? true : false;
return !Less<1>(a && b) || 0x1p-7 <= *p ? ⟦true → false⟧ : false;
return !Less<1>(a && b) || 0x1p-7 <= *p ? true : ⟦false → true⟧;
'''


def texts(source):
    return [t.text for t in tokens(source)]


def one_token_differs(source, point):
    """True if the point's token, and no other, has become what the point says."""
    at = sum(t.start < point.start for t in tokens(source))
    before, after = texts(source), texts(mutated(source, point))
    return before[at] == point.old and after == before[:at] + texts(point.new) + before[at + 1:]


def check(sources):
    """Prints what is wrong, or one line. Returns the exit status."""
    wrong = []

    def expect(holds, what):
        if not holds:
            wrong.append(what)

    found = [p.id.removeprefix('s: ') for p in points_of('s', SNIPPET)]
    for line in set(found) ^ set(EXPECTED.strip().splitlines()):
        wrong.append(f"{'found' if line in found else 'missed'} in the snippet: {line}")
    points = [p for file, text in sources.items() for p in points_of(file, text)]
    count = Counter(p.kind for p in points)
    expect(len(points) >= 200, f'only {len(points)} points')
    expect(set(count) == set(KINDS), f'kinds of points: {sorted(count)}')
    expect(len({p.id for p in points}) == len(points), 'two points have one id')
    for file in ('sums-inl.h', 'transform-inl.h', 'plan.cc', 'forward.cc', 'backward.cc'):
        expect(any(p.file.endswith(file) for p in points), f'no point in {file}')

    chosen = sample(points, 200, 1)
    expect(chosen == sample(points, 200, 1), 'a sample is not the same again')
    expect(chosen == sample(points, 300, 1)[:200], 'a longer sample is another one')
    expect(chosen != sample(points, 200, 2), 'another seed is the same sample')
    expect({p.kind for p in chosen} == set(KINDS), 'a kind is missing in the sample')
    expect(chosen == sample(points[::-1], 200, 1), 'a sample depends on the order of its points')
    for p in chosen:
        expect(one_token_differs(sources[p.file], p), f'more than one token differs: {p.id}')

    behind_switches = switchable(points, sources)
    expect(len(behind_switches) > 0.8 * len(points), f'only {len(behind_switches)} with a switch')
    for k, p in enumerate(behind_switches):
        text, struct = switched(p, k)
        expect(str(k) in text and f'Switch<{k}>' in struct, f'no switch: {p.id}')
    out = with_switches(sources, behind_switches)
    for file in {p.file for p in behind_switches}:
        numbers = sum(p.file == file for p in behind_switches)
        found = len(re.findall(r'\b(?:At|Call)\d+', out[file]))
        expect(found >= numbers, f'{found} of {numbers} switches in {file}')

    for text in wrong:
        print(f'mutate --self-test: {text}')
    if not wrong:
        kinds = ', '.join(f'{count[kind]} {kind}' for kind in KINDS)
        print(f'mutate: {len(points)} points ({kinds}); each of a sample changes one token')
    return 1 if wrong else 0
