"""A check of what was made of a document, before anybody calls it: values that its requests should accept are tried.

They are made from the schemas, one for each branch, and taken from the document's own examples. Where none passes, what
refuses them is left out; an example that alone does not pass may be its author's mistake, and is told. All schemas are
in one validator, which reads each once, and the values of a round are the members of one object. What a trial may take
follows from how much was read, so that it takes a tenth of the time of a conversion at most.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice

from app.openapi.examining import Examining
from app.openapi.operations.drafts import Draft
from app.openapi.schema import exactness
from app.openapi.schema.definitions import Definition
from app.openapi.schema.doubts import Allowance, Tokens, doubtful, endless
from app.openapi.schema.refusals import Judge, Refusal
from app.openapi.schema.samples import Beyond, Group, Sample, Samples
from app.openapi.schema.schemas import Schemas
from app.operation.keywords import objects_in, references
from app.operation.operation import Examples, Json
from app.operation.pointers import join, remark

_MOST_SAMPLES = 16  # of one schema
_MORE_SAMPLES = 6  # … of one that accepts none of them
_MOST_REPAIRS = 4  # times that what refuses is left out
_AT_ONCE = 50  # schemas, of which all samples are tried before those of others
_STEPS_PER_SCHEMA = 2  # that was read: some 10 us, where to read one takes some 150
_LEAST_STEPS = 20_000  # for one of few schemas: some tenths of a second
_OF_ARGUMENT = "#"  # begins the name of what is no definition


@dataclass(frozen=True, slots=True)
class _Owner:
    """A definition, or the schema of an argument. `first`: the first operation that has it."""

    definition: Definition
    first: Draft


@dataclass(slots=True)
class _Subject:
    """A schema that may accept nothing, and where it is in what it belongs to."""

    schema: Json
    owner: str
    at: Tokens
    samples: int = 1
    groups: set[Group] = field(default_factory=set)


class Trial:
    """The trial of one document's drafts, whose schemas it changes where they accept nothing."""

    def __init__(self, drafts: Sequence[Draft], schemas: Schemas) -> None:
        self._drafts = drafts
        self._schemas = schemas
        self._owners: dict[str, _Owner] = {}  # by the name of a definition, or the id of an argument's schema
        for draft in drafts:
            self._own(draft)
        self._allowance = Allowance(_LEAST_STEPS + _STEPS_PER_SCHEMA * schemas.read_so_far)

    @property
    def ended_early(self) -> bool:
        """Whether there was more to try than it may take."""
        return self._allowance.is_used_up

    def run(self) -> tuple[Examples, Mapping[str, Sequence[str]]]:
        """Return how many examples there are, and which are refused and why, by where the first operation is."""
        subjects = {f"s{number}": each for number, each in enumerate(self._doubtful())}
        for _ in range(_MOST_REPAIRS):
            refusing = _Round(subjects, self._schemas, self._allowance).refusing() if subjects else {}
            if not refusing:
                break
            self._leave_out(subjects, [each for found in refusing.values() for each in found.values()])
            subjects = {name: each for name, each in subjects.items() if not each.groups.isdisjoint(refusing)}
        return Examining(self._drafts, self._schemas, self._allowance).tried()

    def _settle(self, loosened: AbstractSet[str]) -> None:
        """Take out of all schemas what refuses because one of these accepts."""
        for owner in self._owners.values():
            for node in objects_in(owner.definition.schema):
                for keyword in exactness.TURNING.keys() & node.keys():
                    if not loosened.isdisjoint(self._reached(node[keyword])):
                        for each in (keyword, *exactness.TURNING[keyword]):
                            node.pop(each, None)

    def _reached(self, schema: Json) -> set[str]:
        met, pending = set[str](), list(references(schema))
        while pending:
            if (name := pending.pop()) not in met:
                met.add(name)
                pending += self._owners[name].definition.references
        return met

    def _own(self, draft: Draft) -> None:
        pending: list[str] = []
        for definition in draft.arguments.values():
            if (key := _key(definition)) not in self._owners:
                self._owners[key] = _Owner(definition, draft)
                pending += definition.references
        while pending:
            if (name := pending.pop()) not in self._owners:
                definition = self._schemas.definition(name)
                self._owners[name] = _Owner(definition, draft)
                pending += definition.references

    def _doubtful(self) -> Iterator[_Subject]:
        for name, owner in self._owners.items():
            yield from (_Subject(schema, name, at) for at, schema in doubtful(owner.definition.schema))
        for name in endless({name: each.definition.schema for name, each in self._owners.items()}):
            yield _Subject(self._owners[name].definition.schema, name, ())

    def _leave_out(self, subjects: Mapping[str, _Subject], refusing: Iterable[Refusal]) -> None:
        """Take out of the schemas what refuses, and note it."""
        notes: dict[str, list[str]] = defaultdict(list)
        for each in refusing:
            if each.leave_out():
                section, name, *tokens = each.at
                owner, at = (name, ()) if section == "$defs" else (subjects[name].owner, subjects[name].at)
                pointer = self._owners[owner].definition.pointer or self._owners[owner].first.pointer
                where = join(pointer, *at, *tokens[:-1])
                notes[owner].append(
                    remark(f"`{each.token}` was left out, because it refuses all that was tried", where)
                )
        self._settle(notes.keys())
        for draft in self._drafts:
            for argument, definition in draft.arguments.items():
                if said := notes.get(_key(definition)):
                    draft.arguments[argument] = definition.noted(said)
        for name, said in notes.items():
            if not name.startswith(_OF_ARGUMENT):
                self._schemas.note(name, said)


def _key(argument: Definition) -> str:
    return f"{_OF_ARGUMENT}{id(argument.schema)}"


@dataclass(slots=True)
class _Round:
    """Samples of subjects, tried together: which groups accept one, and what refuses those of the others."""

    subjects: Mapping[str, _Subject]
    schemas: Schemas
    allowance: Allowance
    passed: set[Group] = field(default_factory=set)
    refused: dict[Group, dict[object, Refusal]] = field(default_factory=lambda: defaultdict(dict))

    def refusing(self) -> dict[Group, dict[object, Refusal]]:
        """Return what refuses all samples of a group, by the groups of which that is so.

        Nothing is known of groups with a schema that was not tried to the end.
        """
        judge = Judge({name: each.schema for name, each in self.subjects.items()}, self.schemas, self.allowance)
        waiting = iter(self.subjects)
        untried: list[str] = []
        while names := list(islice(waiting, _AT_ONCE)):
            if not self.allowance.is_used_up:
                self._try_all(judge, names)
            if self.allowance.is_used_up:
                untried += names
        unknown = {id(self.subjects[name].schema) for name in untried}
        unknown.update(*(group for name in untried for group in self.subjects[name].groups))
        return {
            group: found
            for group, found in self.refused.items()
            if found and group not in self.passed and unknown.isdisjoint(group)
        }

    def _try_all(self, judge: Judge, names: Sequence[str]) -> None:
        left = names
        for number in range(_MOST_SAMPLES):
            left = [name for name in left if number < self.subjects[name].samples]
            self._try(judge, left, number)
        for number in range(_MORE_SAMPLES):
            doubtful = self.refused.keys() - self.passed
            left = [name for name in names if not doubtful.isdisjoint(self.subjects[name].groups)]
            self._try(judge, left, number, full=False)

    def _try(self, judge: Judge, names: Iterable[str], number: int, *, full: bool = True) -> None:
        samples = Samples(lambda name: self.schemas.definition(name).schema, self.allowance)
        made: dict[str, Sample] = {}
        for name in names:
            subject = self.subjects[name]
            try:
                made[name] = sample = samples.of(subject.schema, number, full=full)
            except Beyond:
                continue
            subject.samples = max(subject.samples, sample.branches)
            subject.groups.update(sample.groups.values())
        whole = {name: sample.value for name, sample in made.items() if not sample.endless}
        found = judge.refusals(whole, {name: sample.chosen for name, sample in made.items()})
        for name, refusals in found.items():
            self._take(made[name], refusals)
        for name, sample in made.items():
            for node in sample.endless:
                refusal = Refusal(node, "required", ("properties", name, "required"), (), "required", "")
                self.refused[sample.groups[()]][refusal.key] = refusal

    def _take(self, sample: Sample, refusals: Sequence[Refusal]) -> None:
        at: dict[tuple[str, ...], list[Refusal]] = defaultdict(list)
        for each in refusals:
            at[each.place].append(each)
        for place, group in sample.groups.items():
            if place not in at:
                self.passed.add(group)
            else:
                self.refused[group].update(
                    (each.key, each) for each in at[place] if each.kind != "pattern" or place not in sample.unsure
                )
