"Work that learners hand in, for any project: a starter with code in its gaps, what it defines, how its lines are judged."
import re
from contextlib import redirect_stdout
from io import StringIO

import nbformat, numpy as np

from conftest import ROOT
from fastlessons import check, review
from fastlessons.projects.rubric import RUBRICS
from fastlessons.projects.worker import Stopped, pack, unpack

class Work:
    "One project's starter, a right solution of it (gap -> code), answers to its questions, and the titles of its rubric."

    def __init__(self, project, starter, solution, answers, titles):
        self.project, self.solution, self.answers, self.titles = project, solution, answers, titles
        self.starter = ROOT/'nbs/projects'/starter

    def changed(self, gap, old, new, of=None):
        "Return a solution with another line in one gap."
        of = of or self.solution
        assert old in of[gap], old
        return {**of, gap: of[gap].replace(old, new)}

    def handed_in(self, gaps, answers=None):
        "Return the starter with code in its gaps and answers to its questions."
        answers, nb = self.answers if answers is None else answers, nbformat.read(self.starter, 4)
        for c in nb.cells:
            if c.cell_type == 'code':
                gap = next((g for g in self.solution if re.search(rf'^(def|class) {g}\(', c.source, re.M) and re.search(r'^ +\.\.\.$', c.source, re.M)), None)
                if gap in gaps: c.source = gaps[gap].strip()
                c.outputs, c.execution_count = [], None
            if c.cell_type == 'markdown' and '**Your answer:**' in c.source:
                first, *parts = c.source.split('**Your answer:**')
                assert len(parts) == len(self.answers)
                given = [*answers, *['']*len(parts)]
                c.source = first + ''.join(f'**Your answer:** {a}{p}' for a, p in zip(given, parts))
        return nb

    def defined(self, gaps):
        "Run a solution's definitions here; return what they define."
        ns = {}
        with redirect_stdout(StringIO()):
            for _, source in review.definitions(self.handed_in(gaps), check.load(self.project).NAMES): exec(source, ns)
        return ns

    def here(self, gaps, *lines, **more):
        "Judge lines of the rubric in this process, which is quick; what is asked and answered is packed as if it were not."
        ns, statements = self.defined(gaps) | more, review._statements(self.handed_in(gaps))
        def ask(f, **given):
            with np.errstate(all='ignore'):
                try: return unpack(pack(f(ns, **unpack(pack(given)))))
                except Exception as e: raise Stopped(type(e).__name__, str(e), 'code cell 0', asked=f.__name__) from e
        return {x: review._judge(RUBRICS[self.project][self.titles[x]], ask, statements) for x in lines}
