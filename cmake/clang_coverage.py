"""Clang's source-based coverage of impl/: merged profiles in, lines, branches and functions out.

Kernels are compiled once for each instruction set and element type, so the same source has many
instances. A line, a function or a side of a branch is covered if one of these has run it. (llvm-cov's
own figure for branches counts each instance by itself.) Branches that the compiler decides and what
this machine does not compile, such as NEON, are not counted.
"""
import json
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build/coverage'  # of the preset `coverage`


class Trouble(Exception):
    """Why there is no figure."""


def call(*command, **options):
    try:
        return subprocess.run(command, cwd=ROOT, check=True, text=True, **options).stdout
    except (OSError, subprocess.CalledProcessError) as e:
        raise Trouble(f"{' '.join(map(str, command[:4]))}: {e}") from e


def tool(name):
    """The tool of the same release as the preset's clang."""
    release = re.search(r'version (\d+)', call('clang', '--version', stdout=subprocess.PIPE))[1]
    for candidate in (f'{name}-{release}', name):
        if shutil.which(candidate):
            return candidate
    raise Trouble(f'{name} was not found. On Debian: apt-get install llvm-{release}')


def build(preset):
    call('cmake', '--preset', 'coverage', stdout=subprocess.DEVNULL)
    call('cmake', '--build', '--preset', preset)


def merge(profiles, to):
    call(tool('llvm-profdata'), 'merge', '--sparse', '-o', to, *profiles)


def name_of(path):
    """Of a file of impl/, from the root; None for others, and for what tests share."""
    path = Path(path).resolve()
    ours = path.is_relative_to(ROOT / 'impl') and not path.is_relative_to(ROOT / 'impl/testing')
    return str(path.relative_to(ROOT)) if ours else None


class Coverage:
    """What programs have run together, by their merged profile."""

    def __init__(self, profile, programs):
        self.profile = profile
        self.objects = [word for p in programs for word in ('-object', p)][1:]
        self.data = json.loads(self.llvm_cov('export'))['data'][0]
        files = {name_of(f['filename']): f for f in self.data['files']}
        self.files = {name: files[name] for name in sorted(filter(None, files))}

    def llvm_cov(self, verb, *options):
        return call(tool('llvm-cov'), verb, '-instr-profile', self.profile, *self.objects, *options,
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def pages(self, folder):
        """The sources with their counts, as HTML."""
        self.llvm_cov('show', '-format=html', f'-output-dir={folder}',
                      '-show-instantiations=false', *(ROOT / name for name in self.files))

    def lines(self):
        """Runs by line, by file."""
        return {name: lines_of(file['segments']) for name, file in self.files.items()}

    def functions(self):
        """(file, line) -> (a name, runs of all instances)."""
        found = {}
        for function in self.data['functions']:
            name = name_of(function['filenames'][0])
            if name:
                at = name, function['regions'][0][0]
                known, count = found.get(at, (function['name'], 0))
                found[at] = known, count + function['count']
        return found

    def decided_by_the_compiler(self):
        """Positions of branches on constants, which only llvm-cov's text tells: (file, line, column)."""
        found, name = set(), None
        text = self.llvm_cov('show', '-show-branches=count', '-show-instantiations=false')
        for line in text.splitlines():
            if line.startswith('/') and line.endswith(':'):
                name = name_of(line[:-1])
            elif name and line.endswith('[Folded - Ignored]'):
                at = re.search(r'Branch \((\d+):(\d+)\)', line)
                found.add((name, int(at[1]), int(at[2])))
        return found

    def report(self):
        """Prints the figures. Returns the percentages."""
        constant = self.decided_by_the_compiler()
        total, missing = defaultdict(lambda: [0, 0]), []
        print(f"{'':34}{'lines':>21}{'branches':>21}")
        for name, file in self.files.items():
            runs = lines_of(file['segments'])
            taken = {at: counts for at, counts in branches_of(file['branches']).items()
                     if any(counts) or (name, *at) not in constant}
            bare = [line for line, count in runs.items() if count == 0]
            sides = [(line, column, side) for (line, column), counts in taken.items()
                     for side, count in zip(('true', 'false'), counts) if count == 0]
            row = {'lines': (len(runs) - len(bare), len(runs)),
                   'branches': (2 * len(taken) - len(sides), 2 * len(taken))}
            for what, (covered, all_) in row.items():
                total[what][0] += covered
                total[what][1] += all_
            print(row_of(name, row))
            if bare:
                missing.append(f'{name}: lines {spans(bare)}')
            text = (ROOT / name).read_text().splitlines()
            missing += [f'{name}:{line}:{column}: never {side}: {text[line - 1].strip()}'
                        for line, column, side in sorted(sides) if runs.get(line)]
        print(row_of('all', total))
        print('\nnot covered (branches on lines that have run)')
        print('\n'.join(f'  {m}' for m in missing) or '  nothing')
        return {what: percent(*counts) for what, counts in total.items()}


def lines_of(segments):
    """Runs by line, as llvm-cov counts them: the most of what begins or goes on there."""
    starts = defaultdict(list)
    for line, _, count, counted, entry, gap in segments:
        starts[line].append((count, counted, entry, gap))
    runs, going_on = {}, (0, False, False, False)
    for line in range(min(starts, default=0), max(starts, default=-1) + 1):
        here = starts.get(line, [])
        entered = [count for count, counted, entry, gap in here if counted and entry and not gap]
        skipped = here and not here[0][1] and here[0][2]
        if not skipped and (entered or going_on[1]):
            runs[line] = max([going_on[0], *entered])
        going_on = here[-1] if here else going_on
    return runs


def branches_of(records):
    """Times taken, (true, false), by position, all instances together."""
    taken = defaultdict(lambda: [0, 0])
    for line, column, _, _, true, false, *_ in records:
        taken[line, column][0] += true
        taken[line, column][1] += false
    return taken


def bare_names(mangled):
    """Functions as people call them: without parameters, template arguments and instruction sets."""
    words = [name.split(':')[-1] for name in mangled]  # static ones have their file in front
    demangled = call('c++filt', '-p', input='\n'.join(words), stdout=subprocess.PIPE).splitlines()
    return [bare_name(name) for name in demangled]


def bare_name(name):
    name = re.sub(r'\(anonymous namespace\)::|\bN_[A-Z0-9_]+::', '', name)
    kept, depth = '', 0
    for i, letter in enumerate(name):
        operator = name[:i].rstrip('<>=-').endswith('operator')
        depth += (letter == '<' and not operator)
        kept += letter if depth == 0 else ''
        depth -= (letter == '>' and not operator and depth > 0)
    return kept.split(' ')[-1] if 'operator' not in kept else kept  # a template's type stands in front


def row_of(name, counts):
    return f'{name:34}' + ''.join(f'{c:7}/{a:<5}{percent(c, a):6.1f} %' for c, a in counts.values())


def spans(numbers):
    """[3, 4, 5, 9] as 3-5, 9."""
    parts = []
    for n in sorted(numbers):
        if parts and parts[-1][1] == n - 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    return ', '.join(str(a) if a == b else f'{a}-{b}' for a, b in parts)


def percent(covered, total):
    return 100.0 * covered / total if total else 100.0
