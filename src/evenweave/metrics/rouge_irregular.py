"""English forms that no suffix rule leads to their base: what ROUGE-1.5.5 looks up before it stems.

The script takes the base of a word of four letters or more from WordNet's lists of irregular forms, where it
is listed, and does not stem it. This is a list of our own of the common forms, written by hand; the script's
very list can be given instead, as a folder of WordNet's .exc files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from evenweave.errors import DataError, NotFoundError

# Base: its irregular forms (of the forms of three letters, which the script leaves alone, none is here).
_VERBS = """
arise: arose arisen|awake: awoke awoken|be: been were|bear: bore borne born|beat: beaten|become: became
befall: befell befallen|beget: begot begotten|begin: began begun|behold: beheld|bend: bent
beseech: besought|betake: betook|bind: bound|bite: bitten|bleed: bled|blow: blew blown|break: broke broken
breed: bred|bring: brought|build: built|burn: burnt|buy: bought|catch: caught|choose: chose chosen
cling: clung|come: came|creep: crept|deal: dealt|dig: dug|dive: dove|do: does done|draw: drew drawn
dream: dreamt|drink: drank drunk|drive: drove driven|dwell: dwelt|eat: eaten|fall: fell fallen|feed: fed
feel: felt|fight: fought|find: found|flee: fled|fling: flung|fly: flew flown|forbid: forbade forbidden
foresee: foresaw foreseen|foretell: foretold|forget: forgot forgotten|forgive: forgave forgiven
forgo: forwent forgone|forsake: forsook forsaken|freeze: froze frozen|get: gotten|give: gave given
go: went gone goes|grind: ground|grow: grew grown|hang: hung|have: having|hear: heard|hide: hidden|hold: held
keep: kept|kneel: knelt|know: knew known|lay: laid|lead: led|lean: leant|leap: leapt|learn: learnt|may: might
leave: left|lend: lent|lie: lain lying lied|light: lit|lose: lost|make: made|mean: meant|meet: met
mislead: misled|mistake: mistook mistaken|misunderstand: misunderstood|outdo: outdid outdone
outgrow: outgrew outgrown|overcome: overcame|overdo: overdid overdone|overhang: overhung
overhear: overheard|override: overrode overridden|oversee: oversaw overseen|overtake: overtook overtaken
overthrow: overthrew overthrown|panic: panicked panicking|partake: partook partaken|pay: paid|plead: pled
rebuild: rebuilt|redo: redid redone|remake: remade|repay: repaid|rethink: rethought|rewrite: rewrote rewritten
ride: rode ridden|ring: rang rung|rise: rose risen|run: ran|say: said|see: seen|seek: sought|sell: sold
send: sent|sew: sewn|shake: shook shaken|shear: shorn|shine: shone|shoot: shot|show: shown
shrink: shrank shrunk|sing: sang sung|sink: sank sunk|sit: sat|slay: slew slain|sleep: slept|slide: slid
sling: slung|smell: smelt|sow: sown|speak: spoke spoken|speed: sped|spell: spelt|spend: spent|spill: spilt
spin: spun|spit: spat|spoil: spoilt|spring: sprang sprung|stand: stood|steal: stole stolen|stick: stuck
sting: stung|stink: stank stunk|stride: strode stridden|strike: struck stricken|string: strung
strive: strove striven|swear: swore sworn|sweep: swept|swell: swollen|swim: swam swum|swing: swung
take: took taken|teach: taught|tear: tore torn|tell: told|think: thought|throw: threw thrown
tread: trod trodden|undergo: underwent undergone|understand: understood|undertake: undertook undertaken
undo: undid undone|uphold: upheld|wake: woke woken|wear: wore worn|weave: wove woven|weep: wept|win: won
wind: wound|withdraw: withdrew withdrawn|withhold: withheld|withstand: withstood|wring: wrung
write: wrote written|die: died dying|tie: tied tying|vie: vied vying|untie: untied untying|belie: belied
"""
_NOUNS = """
child: children|person: persons|foot: feet|tooth: teeth|goose: geese|mouse: mice|louse: lice|ox: oxen
calf: calves|elf: elves|half: halves|hoof: hooves|knife: knives|leaf: leaves|life: lives|loaf: loaves
scarf: scarves|self: selves|shelf: shelves|thief: thieves|wife: wives|wolf: wolves|wharf: wharves
analysis: analyses|basis: bases|crisis: crises|hypothesis: hypotheses|oasis: oases|thesis: theses
synthesis: syntheses|axis: axes|criterion: criteria|phenomenon: phenomena|medium: media|datum: data
bacterium: bacteria|stratum: strata|curriculum: curricula|memorandum: memoranda|symposium: symposia
alumnus: alumni|cactus: cacti|focus: foci|fungus: fungi|nucleus: nuclei|radius: radii|stimulus: stimuli
index: indices|appendix: appendices|matrix: matrices|vertex: vertices|vortex: vortices|larva: larvae
vertebra: vertebrae|bus: buses|gas: gases|quiz: quizzes
"""
_COMPARED = """
bad: worse worst|far: farther farthest further furthest|well: better best|little: less least
big: bigger biggest|hot: hotter hottest|fat: fatter fattest|sad: sadder saddest|thin: thinner thinnest
wet: wetter wettest|fit: fitter fittest|dry: drier driest|early: earlier earliest|easy: easier easiest
happy: happier happiest|heavy: heavier heaviest|busy: busier busiest|healthy: healthier healthiest
lucky: luckier luckiest|pretty: prettier prettiest|angry: angrier angriest|wealthy: wealthier wealthiest
deadly: deadlier deadliest|lonely: lonelier loneliest|dirty: dirtier dirtiest|funny: funnier funniest
"""


# Verbs in a consonant and y: their past is irregular to WordNet, whose rules have no -ied.
_IED = re.compile("[a-z]+[^aeiou]ied")


def base_of(word: str, forms: Mapping[str, str] | None = None) -> str | None:
    """Return the base of an irregular form, None of any other word.

    Args:
        word: lower-cased.
        forms: form -> base; default the list of this file, and consonant + ied -> y.

    >>> base_of("brought"), base_of("carried"), base_of("bring")
    ('bring', 'carry', None)
    """
    if forms is not None:
        return forms.get(word)
    found = irregular_forms().get(word)
    return word[:-3] + "y" if found is None and _IED.fullmatch(word) else found


@cache
def irregular_forms() -> Mapping[str, str]:
    """Return this file's list: form -> base."""
    forms = {}
    for entry in re.split(r"[|\n]", (_VERBS + _NOUNS + _COMPARED).strip()):
        base, _, derived = entry.partition(": ")
        forms.update(dict.fromkeys(derived.split(), base))
    return forms


def read_exceptions(folder: Path) -> dict[str, str]:
    """Read WordNet's exception files: a form and its base a line, in all `*.exc` of a folder, by name.

    A form that several files list takes the last one's base. (The script's own builder goes by the order
    of the directory, which differs between machines.)

    Raises:
        NotFoundError: no such file in the folder.
        DataError: a line without a base; names file and line.
    """
    files = sorted(folder.glob("*.exc"))
    if not files:
        raise NotFoundError(f"{folder}: no .exc file; give the folder of WordNet's adj.exc, noun.exc, ...")
    forms = {}
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            words = line.split()
            if len(words) < 2:
                raise DataError(f"{file}:{number}: {line!r} is not a form and its base")
            forms[words[0]] = words[1]
    return forms
