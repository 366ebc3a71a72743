"""Where C++ sources can be mutated, by tokens: a list of points, each one token and its replacement.

The sources are clang-formatted, which tells an operator from a declarator: binary operators stand
between spaces, template brackets and pointers do not.
"""
import hashlib
import re
from collections import Counter, namedtuple

KINDS = ('arithmetic', 'comparison', 'boundary', 'constant', 'logical')

Token = namedtuple('Token', 'kind text start end')
Point = namedtuple('Point', 'id file line kind old new start')

LEXER = re.compile(r'''
    (?P<skip>//[^\n]*|/\*.*?\*/|\#(?:\\\n|[^\n])*|\s+)
  | (?P<text>R"\((?:.|\n)*?\)"|"(?:\\.|[^"\\])*")
  | (?P<number>0[xX][0-9a-fA-F.']+(?:[pP][-+]?\d+)?\w*|\.?\d[\d.']*(?:[eE][-+]?\d+)?\w*)
  | (?P<char>'(?:\\.|[^'\\])+')
  | (?P<name>[A-Za-z_]\w*)
  | (?P<op><=>|<<=|>>=|\.\.\.|::|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)
''', re.X | re.S)

ARITHMETIC = {'+': '-', '-': '+', '*': '/', '/': '*', '%': '*', '<<': '>>', '>>': '<<', '+=': '-=',
              '-=': '+=', '*=': '/=', '/=': '*=', '++': '--', '--': '++'}
COMPARISON = {'<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '=='}
BOUNDARY = {'<': '< -1 +', '<=': '<= 1 +', '>': '> 1 +', '>=': '>= -1 +'}
LOGICAL = {'&&': '||', '||': '&&', '&': '|', '|': '&', '|=': '&=', '&=': '|=', 'true': 'false',
           'false': 'true'}
# Called by a qualified name: Highway's functions, and the standard library's.
CALLS = {'arithmetic': {'Add': 'Sub', 'Sub': 'Add', 'Mul': 'Add', 'Div': 'Mul', 'Min': 'Max',
                        'Max': 'Min', 'MulAdd': 'NegMulAdd', 'NegMulAdd': 'MulAdd', 'min': 'max',
                        'max': 'min'},
         'comparison': {'Lt': 'Le', 'Le': 'Lt', 'Gt': 'Ge', 'Ge': 'Gt', 'Eq': 'Ne', 'Ne': 'Eq'},
         'logical': {'And': 'Or', 'Or': 'And', 'all_of': 'any_of', 'any_of': 'all_of'}}


def tokens(source):
    """The tokens of a source, without spaces, comments and directives."""
    return [Token(m.lastgroup, m.group(), m.start(), m.end())
            for m in LEXER.finditer(source) if m.lastgroup != 'skip']


def closing(toks, i):
    """Index of the bracket that closes the one at i."""
    depth = 0
    for j in range(i, len(toks)):
        depth += (toks[j].text in '([{') - (toks[j].text in ')]}')
        if depth == 0:
            return j
    raise ValueError('a bracket is never closed')


def spaced(source, t):
    return source[t.start - 1].isspace() and source[t.end].isspace()


def template_end(source, toks, i):
    """Index of the bracket that closes the template list opened at i."""
    depth = 0
    for j in range(i, len(toks)):
        if toks[j].text == '<' and (j == i or not spaced(source, toks[j])):
            depth += 1
        elif toks[j].text in ('>', '>>') and not source[toks[j].start - 1].isspace():
            depth -= len(toks[j].text)
        if depth <= 0:
            return j
    raise ValueError('a template list is never closed')


def left_alone(source, toks):
    """Indices that are no points: assertions, template lists, names of operators, array sizes."""
    out = set()
    for i, t in enumerate(toks):
        before = toks[i - 1].text if i else ''
        if t.text in ('static_assert', 'assert', 'alignas'):
            out.update(range(i, closing(toks, i + 1)))
        elif t.text == '<' and (before == 'template' or not spaced(source, t)):
            if before not in ('operator', '<'):
                out.update(range(i, template_end(source, toks, i) + 1))
        elif before == 'operator':
            out.add(i)
        elif t.text == '[' and toks[i - 1].kind == 'name' and i > 1:
            declared = toks[i - 2]  # a type: more room than needed changes nothing
            if declared.text in ('>', '*') or (declared.kind == 'name' and declared.text != 'return'):
                out.update(range(i, closing(toks, i)))
    return out


def loop_conditions(toks):
    """Indices within the conditions of loops."""
    out = set()
    for i, t in enumerate(toks):
        if t.text not in ('for', 'while') or toks[i + 1].text != '(':
            continue
        begin, end = i + 1, closing(toks, i + 1)
        if t.text == 'for':
            stops = [j for j in range(begin, end) if toks[j].text == ';']
            if len(stops) < 2:
                continue
            begin, end = stops[0], stops[1]
        out.update(range(begin, end))
    return out


def other_number(text):
    """0 and 1 are exchanged, other numbers get one more, powers of two the inverse; None: no idea."""
    power = re.fullmatch(r'(0x[0-9a-fA-F.]+p)(-?)(\d+)(f?)', text)
    if power:
        head, sign, exponent, tail = power.groups()
        return f"{head}{'' if sign else '-'}{exponent}{tail}" if int(exponent) else None
    plain = re.fullmatch(r'(0x[0-9a-fA-F]+|\d+)(\.\d+)?([uUlLf]*)', text)
    if not plain:
        return None
    whole, part, tail = plain.groups()
    value = int(whole, 0) if whole.startswith('0x') else int(whole)
    value = 1 - value if value <= 1 else value + 1
    return f"{hex(value) if whole.startswith('0x') else value}{part or ''}{tail}"


def replacements(source, toks, i, in_loop):
    """What the token at i can become: (kind, text)."""
    t, before, after = toks[i], toks[i - 1] if i else None, toks[i + 1] if i + 1 < len(toks) else None
    if t.kind == 'number':
        other = other_number(t.text)
        return [('constant', other)] if other else []
    if t.text in ('true', 'false'):
        return [('logical', LOGICAL[t.text])]
    if t.kind == 'name' and before and before.text == '::' and after.text in ('(', '<'):
        return [(kind, table[t.text]) for kind, table in CALLS.items() if t.text in table]
    if t.text in ('++', '--'):
        return [('arithmetic', ARITHMETIC[t.text])]
    if t.text == '!':
        return [('logical', '')]
    if t.kind != 'op' or not spaced(source, t):
        return []
    found = [('arithmetic', ARITHMETIC.get(t.text)), ('comparison', COMPARISON.get(t.text)),
             ('boundary', BOUNDARY.get(t.text) if in_loop else None),
             ('logical', LOGICAL.get(t.text))]
    return [(kind, new) for kind, new in found if new is not None]


def points_of(file, source):
    """Every point of one source, in its order. The id is the line with the replacement marked in it."""
    toks = tokens(source)
    alone, loops = left_alone(source, toks), loop_conditions(toks)
    seen, found = Counter(), []
    for i, t in enumerate(toks):
        if i in alone:
            continue
        for kind, new in replacements(source, toks, i, i in loops):
            begin = source.rfind('\n', 0, t.start) + 1
            end = source.find('\n', t.end)
            marked = f'{source[begin:t.start]}⟦{t.text} → {new}⟧{source[t.end:end]}'.strip()
            seen[marked] += 1
            again = f' #{seen[marked]}' if seen[marked] > 1 else ''
            found.append(Point(f'{file}: {marked}{again}', file, source.count('\n', 0, t.start) + 1,
                               kind, t.text, new, t.start))
    return found


def mutated(source, point):
    """The source with the point's token replaced."""
    return source[:point.start] + point.new + source[point.start + len(point.old):]


def sample(points, count, seed):
    """`count` of the points, each file and kind in proportion; more are the same ones and others."""
    strata, keyed = {}, []
    for p in points:
        strata.setdefault((p.file, p.kind), []).append(p)
    for stratum in strata.values():
        drawn = sorted(stratum, key=lambda p: hashlib.sha256(f'{seed} {p.id}'.encode()).digest())
        keyed += [((rank + 0.5) / len(drawn), p.id, p) for rank, p in enumerate(drawn)]
    return [p for _, _, p in sorted(keyed)[:count]]
