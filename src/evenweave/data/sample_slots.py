"""What the braces of the built-in corpus' patterns stand for: a text, and the type of entity it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evenweave.data.sample_names import (
    COUNTRIES,
    Choose,
    acronym,
    coined,
    firm,
    first_name,
    owned,
    owner,
    phrases,
    surname,
    town,
    words,
)

_SUFFIXES = words("Corp Inc Ltd AG Group Holdings PLC Airlines Motors Energy Foods Telecom Steel Mining")
_CLUBS = words("United City Rovers Athletic Wanderers Town Albion Bears Wolves Hawks Tigers Rangers")
_CUPS = words("Open Cup Classic Masters Marathon Trophy Championship Games")
_CREEDS = words("Labour Conservative Liberal Green Democratic Workers Centre Freedom Reform Unity Peasant")
_BODIES = phrases("""United Nations|World Bank|European Commission|Red Cross|World Health Organisation
Arab League|African Union|International Monetary Fund|Amnesty|Interpol|NATO|OPEC|UNICEF|Unesco|Greenpeace
Save the Children|Reuters|World Trade Organisation|European Union|Oxfam|Unicredit|Europol""")
_MINISTRIES = words("Finance Defence Health Trade Justice Transport Energy Culture Mines Labour")
_SPORTS = words("Football Tennis Cycling Athletics Cricket Rugby Skiing Chess Rowing Swimming")
_FAITHS = words("""Catholic Buddhist Moslem Lutheran Hindu Orthodox Jewish Sikh Anglican Quaker Baptist
Taoist Christian Methodist Presbyterian Calvinist Mormon Marxist""")
_ADJECTIVES = words("Silent Broken Last Golden Distant Hollow Burning Second Paper Blue Empty Final")
_NOUNS = words("River House Summer Garden Letter Mirror Harbour Shadow Road Window Night Orchard")
_UNIONS = phrases("Miners Union|Dockers Federation|Teachers Congress|Rail Workers Union|Pilots Association")
_DAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
_MONTHS = words("January February March April May June July August September October November December")


class Names:
    """The names of one sentence: whoever is mentioned twice keeps name and firm.

    Args:
        split: whose names to use.
        choose: picks one of several words; the source of all chance.
    """

    def __init__(self, split: str, choose: Choose) -> None:
        self.split, self.choose = split, choose
        self._kept: dict[str, str] = {}

    def keep(self, key: str, make: Callable[[str, Choose], str]) -> str:
        """Return what was made under `key`, making it the first time: if it can, what no other key has."""
        if key not in self._kept:
            made = make(self.split, self.choose)
            # Few tries: some lists are short, and a sentence has only so many choices.
            for _ in range(3):
                if made in self._kept.values():
                    made = make(self.split, self.choose)
            self._kept[key] = made
        return self._kept[key]

    def first(self, which: str) -> str:
        return self.keep("first" + which, first_name)

    def last(self, which: str) -> str:
        return self.keep("last" + which, surname)

    def person(self, which: str) -> str:
        first, last = self.first(which), self.last(which)
        form = self.choose("fffffffim")
        if form == "f":
            return f"{first} {last}"
        return f"{first[0]}. {last}" if form == "i" else f"{first} {self.letter()}. {last}"

    def brand(self, which: str) -> str:
        return self.keep("firm" + which, firm)

    def company(self, which: str) -> str:
        form = self.choose("sssssbpf")
        if form == "p":
            return f"{self.last('partner' + which)} & {self.last('other' + which)}"
        if form == "f":
            return f"{self.last('partner' + which)} Brothers"
        return self.brand(which) + ("" if form == "b" else f" {self.choose(_SUFFIXES)}")

    def nation(self, key: str, part: int) -> str:
        return self.keep("nation" + key, lambda split, choose: choose(owned(COUNTRIES, split))).split()[part]

    def town(self) -> str:
        return town(self.split, self.choose)

    def surname(self) -> str:
        return surname(self.split, self.choose)

    def coined(self, kind: str) -> str:
        return coined(kind, self.split, self.choose)

    def letter(self) -> str:
        return self.choose("ABCDEGHJKLMPRSTVW")

    def number(self, low: int, high: int) -> str:
        return self.choose([str(number) for number in range(low, high)])

    def phrase(self, *parts: Sequence[str]) -> str:
        """Return one word of each part, as a phrase that belongs to this split."""
        while True:
            phrase = " ".join(self.choose(part) for part in parts)
            if owner(phrase) == self.split:
                return phrase

    def first_of(self, *makers: Callable[[], str]) -> str:
        """Return what one of several makers makes."""
        return makers[int(self.choose([str(index) for index in range(len(makers))]))]()


def _club(n: Names) -> str:
    place = n.town()
    return n.first_of(
        lambda: place,
        lambda: f"{place} {n.choose(_CLUBS)}",
        lambda: f"{place} {n.choose(_CLUBS)}",
        lambda: f"{n.choose(('FC', 'Dynamo', 'Sporting'))} {place}",
    )


def _event(n: Names) -> str:
    return n.first_of(
        lambda: f"{n.town()} {n.choose(_CUPS)}",
        lambda: f"{n.brand('sponsor')} {n.choose(_CUPS)}",
        lambda: f"{n.nation('event', 1)} {n.choose((*_CUPS, 'Grand Prix'))}",
        lambda: f"{n.surname()} {n.choose(_CUPS)}",
        lambda: f"Tour of {n.coined('region')}",
    )


def _agency(n: Names) -> str:
    return n.first_of(
        lambda: n.choose(owned(_BODIES, n.split)),
        lambda: acronym(n.split, n.choose),
        lambda: f"{n.nation('ministry', 1)} {n.choose(_MINISTRIES)} Ministry",
        lambda: f"{n.coined('region')} {n.choose(('Council', 'Assembly', 'Institute'))}",
    )


def _party(n: Names) -> str:
    return n.first_of(
        lambda: f"{n.coined('region')} {n.choose(_CREEDS)} Party",
        lambda: f"{n.nation('party', 1)} {n.choose(_CREEDS)} Party",
        lambda: acronym(n.split, n.choose),
        lambda: f"{n.choose(_CREEDS)} Front of {n.coined('region')}",
    )


def _bank(n: Names) -> str:
    return n.first_of(
        lambda: f"{n.town()} Savings Bank",
        lambda: f"Bank of {n.coined('region')}",
        lambda: f"{n.surname()} Securities",
        lambda: f"{n.surname()} {n.surname()}",
    )


def _school(n: Names) -> str:
    return n.first_of(
        lambda: f"University of {n.town()}",
        lambda: f"{n.town()} University",
        lambda: f"{n.surname()} College",
    )


def _region(n: Names) -> str:
    return n.first_of(
        lambda: n.coined("region"),
        lambda: n.coined("region"),
        lambda: f"{n.choose(('North', 'South', 'East', 'West', 'Upper'))} {n.coined('region')}",
    )


def _venue(n: Names) -> str:
    return f"{n.first_of(n.surname, n.town)} {n.choose(('Stadium', 'Park', 'Arena', 'Hall', 'Square'))}"


def _river(n: Names) -> str:
    return n.first_of(
        lambda: f"{n.coined('nature')} River",
        lambda: f"River {n.coined('nature')}",
        lambda: n.coined("nature"),
    )


def _mountain(n: Names) -> str:
    return f"{n.choose(('Mount', 'Mount', 'Cape'))} {n.coined('nature')}"


def _product(n: Names) -> str:
    name = n.first_of(lambda: n.coined("firm"), lambda: n.brand("maker"))
    return f"{name} {n.first_of(lambda: n.number(2, 900), lambda: n.letter() + '-' + n.number(2, 99))}"


def _war(n: Names) -> str:
    place = n.first_of(lambda: n.coined("region"), lambda: n.nation("war", 1))
    return f"{place} {n.choose(('War', 'Uprising'))}"


def _money(n: Names) -> str:
    return f"$ {n.number(1, 90)}.{n.number(1, 10)} {n.choose(('million', 'billion'))}"


_Slot = tuple[str | None, Callable[[Names, str], str]]

# Slot -> entity type (None: no entity), and what makes the text; `w` tells per from per2.
SLOTS: dict[str, _Slot] = {
    "per": ("PER", lambda n, w: n.person(w)),
    "last": ("PER", lambda n, w: n.last(w)),
    "first": ("PER", lambda n, w: n.first(w)),
    "city": ("LOC", lambda n, w: n.keep("city" + w, town)),
    "country": ("LOC", lambda n, w: n.nation("country" + w, 0)),
    "region": ("LOC", lambda n, w: _region(n)),
    "venue": ("LOC", lambda n, w: _venue(n)),
    "river": ("LOC", lambda n, w: _river(n)),
    "mountain": ("LOC", lambda n, w: _mountain(n)),
    "place": ("LOC", lambda n, w: n.first_of(lambda: _mountain(n), lambda: f"Lake {n.coined('nature')}")),
    "airport": ("LOC", lambda n, w: f"{n.first_of(n.surname, n.town)} Airport"),
    "street": ("LOC", lambda n, w: f"{n.surname()} {n.choose(('Street', 'Road', 'Avenue'))}"),
    "club": ("ORG", lambda n, w: n.keep("club" + w, lambda _split, _choose: _club(n))),
    "company": ("ORG", lambda n, w: n.company(w)),
    "brand": ("ORG", lambda n, w: n.brand(w)),
    "bank": ("ORG", lambda n, w: _bank(n)),
    "agency": ("ORG", lambda n, w: _agency(n)),
    "party": ("ORG", lambda n, w: _party(n)),
    "union": ("ORG", lambda n, w: f"{n.coined('region')} {n.choose(_UNIONS)}"),
    "federation": ("ORG", lambda n, w: f"{n.nation('sport', 1)} {n.choose(_SPORTS)} Federation"),
    "school": ("ORG", lambda n, w: _school(n)),
    "hospital": ("ORG", lambda n, w: f"{n.first_of(n.surname, n.town)} Hospital"),
    "nat": ("MISC", lambda n, w: n.nation("nat" + w, 1)),
    "event": ("MISC", lambda n, w: n.keep("event" + w, lambda _split, _choose: _event(n))),
    "work": ("MISC", lambda n, w: n.phrase(("The", "A", "My"), _ADJECTIVES, _NOUNS)),
    "product": ("MISC", lambda n, w: _product(n)),
    "faith": ("MISC", lambda n, w: n.choose(owned(_FAITHS, n.split))),
    "war": ("MISC", lambda n, w: _war(n)),
    "index": ("MISC", lambda n, w: f"{n.coined('firm')} {n.number(20, 600)}"),
    "num": (None, lambda n, w: n.number(2, 60)),
    "big": (None, lambda n, w: f"{n.number(1, 90)},{n.number(100, 1000)}"),
    "pct": (None, lambda n, w: f"{n.number(1, 9)}.{n.number(1, 10)}"),
    "price": (None, lambda n, w: f"{n.number(11, 400)}.{n.number(10, 99)}"),
    "money": (None, lambda n, w: _money(n)),
    "day": (None, lambda n, w: n.choose(_DAYS)),
    "month": (None, lambda n, w: n.choose(_MONTHS)),
    "date": (None, lambda n, w: f"{n.choose(_MONTHS)} {n.number(1, 29)}"),
    "year": (None, lambda n, w: n.number(1920, 1999)),
    "score": (None, lambda n, w: f"{n.number(0, 6)}-{n.number(0, 6)}"),
    "set": (None, lambda n, w: n.choose(("6-4", "7-5", "6-3", "7-6", "6-2", "6-1"))),
    "clock": (None, lambda n, w: f"{n.number(1, 13)}:{n.number(10, 60)}"),
}
_AMBIGUOUS = ("last", "brand", "city", "country")


def fill(slot: str, names: Names) -> tuple[str, str | None]:
    """Return the text of a slot such as "per" or "club2", and its entity type or None."""
    kind, which = (slot[:-1], slot[-1]) if slot[-1].isdigit() else (slot, "1")
    # "any" has a name of any type where the sentence does not tell which.
    kind = names.choose(_AMBIGUOUS) if kind == "any" else kind
    entity, make = SLOTS[kind]
    return make(names, which), entity
