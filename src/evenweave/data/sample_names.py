"""Names for the built-in corpus: made of syllables, and words that are names in one place and not in another.

Every name belongs to one split for good, whatever the seed, so no name of a validation or test sentence can
have been seen in training. Names put together from others (a university of a city) inherit this.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import cache

Choose = Callable[[Sequence[str]], str]


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


def phrases(text: str) -> tuple[str, ...]:
    """Return the phrases of a text, which stand between bars or line ends."""
    return tuple(phrase.strip() for phrase in text.replace("\n", "|").split("|"))


FIRST = words(
    """Ada Ahmed Akira Alma Amara Anders Anton April Arno Astrid Bela Berta Bill Boris Bruno Carla Carlos
    Chad Clara Dalia Daniela Dieter Dilip Dora Edith Elena Emil Enzo Erik Esther Faith Farid Felix Fiona
    Frank Gerda Gloria Grace Greta Hana Harun Heidi Hiro Hope Hugo Ida Igor Ines Irma Ivan Ivy Jack Jana
    Joy June Juan Kaia Karim Kenji Klara Lars Laila Leo Lena Lili Luca Magda Marco Mark Marta May Mehmet
    Mila Miriam Nadia Nils Nina Nora Olga Omar Oskar Otto Pablo Pavel Petra Pia Piotr Priya Rafael Rahul
    Ravi Rita Rob Rosa Rose Ruth Samir Sanjay Sergio Silvia Sonja Stefan Sven Tariq Teresa Tomas Ulla
    Uma Vera Viktor Will Yuki Yusuf Zara Zoltan"""
)

# Surnames that are words, and places and firms that are words.
_WORDS = words(
    """Baker Banks Best Bishop Brown Bush Carpenter Church Cook Cross Day Field Fisher Ford Frost Gold
    Grant Green Hall Hill Hunter Judge King Lake Long Love Major Marsh Mason May Moon Park Pope Potter
    Power Price Reed Rice Rich Rivers Sharp Short Snow Stone Storm Strong Summers Swift Waters White
    Winter Wise Wood Young"""
)
_TOWNS = words(
    """Bath Battle Cork Deal Mobile Nice Orange Reading Rugby Sandwich Split Sale Tours Wells Ware"""
)
_FIRMS = words(
    """Anchor Apple Arrow Atlas Beacon Bridge Canvas Cedar Comet Compass Crown Delta Falcon Garnet Granite
    Harvest Horizon Kestrel Lantern Mango Mercury Meteor Orchard Pioneer Plum Prism Quartz Sable Shell
    Sierra Spark Summit Target Tempo Titan Vector Violet Visa Zenith"""
)
# As often a person as a place as a club.
_ANY = words(
    """Washington Jordan Chelsea Lincoln Victoria Sydney Georgia Charlotte Austin Houston Paris London
    Florence Madison Jackson Hamilton Wellington Columbus Nelson Israel Santiago Everton Preston
    Bradford Lancaster"""
)

# "France French": the country and its adjective belong to one split together.
COUNTRIES = phrases(
    """France French|Italy Italian|Kenya Kenyan|Brazil Brazilian|Norway Norwegian|Japan Japanese
    India Indian|Spain Spanish|Poland Polish|Ghana Ghanaian|Chile Chilean|Greece Greek|Egypt Egyptian
    Peru Peruvian|Sweden Swedish|Turkey Turkish|Canada Canadian|Mexico Mexican|China Chinese
    Ireland Irish|Morocco Moroccan|Finland Finnish|Cuba Cuban|Nepal Nepalese|Iran Iranian|Denmark Danish
    Nigeria Nigerian|Austria Austrian|Portugal Portuguese|Vietnam Vietnamese|Hungary Hungarian
    Bolivia Bolivian|Iceland Icelandic|Zambia Zambian|Iraq Iraqi|Scotland Scottish|Cameroon Cameroonian
    Thailand Thai|Bulgaria Bulgarian|Ecuador Ecuadorean|Romania Romanian|Uganda Ugandan|Belgium Belgian
    Pakistan Pakistani|Albania Albanian|Senegal Senegalese|Wales Welsh|Indonesia Indonesian
    Croatia Croatian|Tunisia Tunisian|Serbia Serbian|Jamaica Jamaican|Kuwait Kuwaiti|Estonia Estonian
    Malta Maltese|Colombia Colombian|Algeria Algerian|Latvia Latvian|Mongolia Mongolian
    Uruguay Uruguayan|Cyprus Cypriot|Ukraine Ukrainian|Armenia Armenian|Panama Panamanian
    Switzerland Swiss|Lebanon Lebanese|Angola Angolan|Slovakia Slovak|Yemen Yemeni|Honduras Honduran"""
)

_STEMS = words(
    """Al An Ar Bal Bar Ben Ber Bol Bor Bran Bren Cal Cam Car Cor Dal Dan Dar Del Dol Dor Dun El Er Fal Far
    Fen Gal Gar Gor Gran Hal Han Har Hel Hol Ilm Is Jal Jar Kal Kar Kel Kor Kul Lam Lan Lar Lin Lom Lor
    Mal Man Mar Mel Mir Mon Mor Nar Nev Nor Ol Or Os Pal Par Pel Per Pol Ral Ran Ren Ril Ros Sal San Sar
    Sel Sol Sor Stan Tal Tar Tel Tem Tol Tor Tren Ul Ur Val Van Var Vel Ver Vol Wal War Wen Wil Yar Zal
    Zan Zor"""
)
_MIDDLES = ["", "", "a", "e", "i", "o", "an", "en", "in", "or", "ia", "eb", "im", "od", "ur", "av"]
_ENDS = {
    "surname": words(
        """son sen ski ska ova ov etti elli mann ez ier den ley ton ford berg ane oto aki wick dottir
        ides oglu escu ini ard ell worth man stad by"""
    ),
    "city": words(
        """ford ton burg ville stad mouth port dale grad polis ino ham minster haven field worth by berg
        abad pur aya una ossa ez ard"""
    ),
    "region": words("ia shire land stan mark ovia aria onia ya wick enia ora"),
    "firm": words("ex ia is on tech soft dyne ware co ra ix ane or tel med gen max ero"),
    "nature": words("o a e ok isk un ar ee at im os ash"),
}


def owner(name: str) -> str:
    """Return the split a name belongs to: three in five to train, one in five to each other."""
    share = zlib.crc32(name.encode()) % 10
    return "train" if share < 6 else "validation" if share < 8 else "test"


@cache
def owned(names: tuple[str, ...], split: str) -> tuple[str, ...]:
    """Return those of some words or phrases that belong to a split."""
    return tuple(name for name in names if owner(name) == split)


def coined(kind: str, split: str, choose: Choose) -> str:
    """Return a made-up name of a kind (surname, city, region, firm, nature) that belongs to `split`."""
    while True:
        name = choose(_STEMS) + choose(_MIDDLES) + choose(_ENDS[kind])
        if owner(name) == split:
            return name


def acronym(split: str, choose: Choose) -> str:
    """Return three or four capitals."""
    while True:
        name = "".join(choose("ABCDEFGILMNOPRSTUVW") for _ in choose(("abc", "abcd")))
        if owner(name) == split:
            return name


def first_name(split: str, choose: Choose) -> str:
    """Return a first name."""
    return choose(owned(FIRST, split))


def surname(split: str, choose: Choose) -> str:
    """Return a surname: made up, a word that is no name elsewhere, or one that is a place elsewhere."""
    return _one_of(split, choose, "surname", _WORDS)


def town(split: str, choose: Choose) -> str:
    """Return a town."""
    return _one_of(split, choose, "city", _TOWNS)


def firm(split: str, choose: Choose) -> str:
    """Return the short name of a firm."""
    return _one_of(split, choose, "firm", _FIRMS)


def _one_of(split: str, choose: Choose, kind: str, others: tuple[str, ...]) -> str:
    which = choose("nnnnnnnwwa")
    if which == "n":
        return coined(kind, split, choose)
    return choose(owned(others if which == "w" else _ANY, split))
