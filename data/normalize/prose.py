"""Sentences of many words, put together by a small grammar, with places for one phrase or two.

Their words are common ones, drawn without regard to sense, so that a learner of them learns to
pass through whatever stands around a phrase. No word of WORDS makes another phrase of what it
follows.
"""

from collections.abc import Callable, Sequence
from random import Random

from amounts import chance, pick
from number_words import listed

Word = Callable[[str], str]  # a kind of word to a word of that kind

WORDS = {
    "singular": listed(
        "man woman child boy girl friend neighbor teacher doctor nurse lawyer judge driver farmer "
        "singer writer painter king queen president minister soldier captain player coach team "
        "house room kitchen door window roof wall floor street road bridge river lake sea island "
        "mountain hill valley forest garden field farm village town city country state world sky "
        "sun moon rain snow wind storm fire water bread cheese coffee tea soup cake dinner lunch "
        "breakfast apple dog cat horse bird cow sheep fish tree flower car bus train plane boat "
        "ship bicycle ticket station airport hotel restaurant shop store bank school university "
        "library museum church hospital office factory company firm government council court "
        "police army party union club band film movie song album book novel letter page paper "
        "newspaper magazine story poem picture painting photo map plan report study test lesson "
        "class course game match race season league goal prize election vote law rule tax budget "
        "contract deal sale project job career strike war battle peace treaty crisis accident "
        "flight trip journey holiday wedding birthday meeting concert festival show opening "
        "machine engine computer phone screen program website network camera clock key box bag "
        "table chair bed lamp coat shirt dress shoe hat ring stone metal glass wood plastic paint "
        "rope knife wheel tower castle palace mill harbor market park square corner border coast "
        "family mother father brother sister uncle aunt grandmother baby voice face heart hand "
        "eye hair leg idea question answer reason problem change chance result rate level record "
        "price cost rent wage salary loan debt fund profit loss income value amount sum share "
        "weight height length depth width speed temperature pressure distance area population"
    ),
    "plural": listed(
        "men women children boys girls friends teachers doctors nurses drivers farmers soldiers "
        "players fans visitors tourists passengers customers workers members students pupils "
        "readers voters residents families homes houses rooms shops schools books letters pages "
        "copies songs albums films games goals points votes seats tickets cars buses trains ships "
        "planes trucks bicycles horses cows birds fish dogs cats trees apples eggs potatoes boxes "
        "bottles stones coins stamps photos emails messages questions answers mistakes errors "
        "jobs prizes awards towns villages islands countries cities rivers lakes companies offices "
        "machines phones computers words lines rules laws cases deaths births accidents attempts "
        "episodes chapters versions steps floors spectators inhabitants employees species troops"
    ),
    "adjective": listed(
        "old new young big small large little great long short high low tall wide narrow deep good "
        "bad best worst better nice fine poor rich cheap expensive early late fast slow quick hot "
        "cold warm cool wet dry dark bright light heavy strong weak hard soft clean dirty full "
        "empty open closed free busy quiet loud happy sad angry tired hungry afraid famous unknown "
        "local national foreign public private general special common rare strange simple easy "
        "difficult important serious dangerous safe modern ancient royal red blue green white "
        "black yellow brown grey golden wooden broken lost dead alive final main total average "
        "annual daily weekly estimated official recent former next last other same whole several"
    ),
    "verb": listed(
        "saw found bought sold built opened closed left lost made moved painted planned reached "
        "visited finished described repaired studied won wanted took gave got kept held brought "
        "carried caught threw cut broke fixed cleaned cooked ate drank drove rode flew crossed "
        "followed watched heard read wrote sent received called asked answered told showed taught "
        "learned knew remembered forgot loved liked hated needed used tried started stopped "
        "changed raised lowered measured counted checked tested signed paid owned rented borrowed "
        "shared offered refused accepted joined led beat missed recorded published produced "
        "printed designed planted burned destroyed covered filled emptied hid stole returned"
    ),
    "intransitive": listed(
        "came went arrived died lived stayed waited worked slept sat stood ran walked swam fell "
        "rose grew shrank began ended happened appeared disappeared failed succeeded laughed cried "
        "sang danced played travelled retired married resigned escaped surrendered"
    ),
    "base": listed(
        "see find buy sell build open close leave make move paint reach visit finish describe "
        "repair study win take give keep hold bring carry catch cut break fix clean cook eat drink "
        "drive cross follow watch hear read write send call ask answer tell show teach learn know "
        "remember forget use try start stop change raise measure count check test sign pay rent"
    ),
    "adverb": listed(
        "quickly slowly quietly suddenly finally again soon still already almost never always "
        "often sometimes usually rarely together alone here there away back home outside inside "
        "upstairs abroad today yesterday tomorrow tonight later earlier recently perhaps probably "
        "certainly however therefore instead twice once too well badly hardly forever somewhere "
        "also just very more less "
        "even not only off up down out"
    ),
    "preposition": listed(
        "near behind under over above below beside between against across along around through "
        "into onto without with for from by of like despite beyond outside inside towards "
        "during within off up down out"
    ),
    "connective": listed("and but because while although when before after so if or since until"),
    "determiner": listed(
        "the the the the the the the a a a his her our their my your its this that every each no "
        "some another"
    ),
    "many": listed(
        "the the the these those some many few most all both his her our their my your two three "
        "four five six seven eight nine ten eleven twelve"
    ),
    "pronoun": listed(
        "I you he she it we they nobody everyone someone who what which I've that's it's he'd"
    ),
}
PROPER = {
    "name": (
        "Anna/Ben/Carla/David/Emma/Frank/Grace/Henry/Iris/Jack/Kate/Leo/Maria/Nora/Oscar/Paul/"
        "Ruth/Sam/Tom/Vera/Mr. Smith/Mrs. Brown/Dr. Lee/Peter/Laura/Daniel/Susan/Robert/Linda/"
        "George/Alice/William/John/James/Mary/Charles/Michael/Thomas/Elizabeth/Sarah/Martha/Ahmed/"
        "Fatima/Wei/Yuki/Ivan/Olga/Pierre/Hans/Carlos/Lucia/Priya/Kofi/Johnson/Miller/Wilson/"
        "Garcia/Martin/Clark/Lewis/Walker/Parker/Murphy/Schmidt/Rossi/Tanaka/St. John/Ms. Hall"
    ),
    "place": (
        "Paris/London/Boston/Chicago/Berlin/Madrid/Rome/Tokyo/Texas/Ohio/Canada/Spain/Italy/Kenya/"
        "Peru/New York/San Diego/Oxford/Dublin/Vienna/Cairo/Sydney/India/Norway/Brazil/Greece/"
        "Denver/Lisbon/Prague/Florida/France/Germany/Mexico/Japan/China/Australia/Russia/Poland/"
        "Turkey/Egypt/Nigeria/Chile/Korea/Sweden/Ireland/Scotland/Wales/Europe/Africa/Asia/"
        "California/Seattle/Moscow/Munich/Geneva/Milan/Seoul/Mumbai/Toronto/Hamburg/Leeds/the US/"
        "the UK/Ulm/Lyon/Bristol/Cambridge/Amsterdam/Brussels/Warsaw/Kiev/Lima/Quebec/Alaska"
    ),
}
WORDS |= {kind: names.split("/") for kind, names in PROPER.items()}

# What a phrase of a class may stand behind; what has a {} has a place for it inside.
LEADS = {
    name: leads.split("/")
    for name, leads in {
        "cardinal": (
            "about {} @/only {} @/nearly {} @/at least {} @/more than {} @/up to {} @/{} of the @/"
            "with {} @/for {} other @/on page/in room/at number/of/to/by/a {}-year-old girl/"
            "in chapter/on bus/with over/and some {} #/in {} BC/a {}-page +/between {} and ten @"
        ),
        "ordinal": (
            "for the {} time/in the {} +/on the {} +/her {} +/his {} +/the {} # +/as the/"
            "a {}-century +/on {} Street/of the {} kind/in {} place"
        ),
        "date": (
            "on/since/before/until/by/after/from/dated/of/through/around/starting/ending/"
            "on the morning of/as late as/on Monday,/on Friday,/on Sunday/(born/between {} and then"
        ),
        "year": (
            "in/in/since/before/until/by/after/around/back in/early in/late in/as early as/from/of/"
            "in the summer of/in the {} +/c./during/in spring/between {} and then/the {} +/"
            "in {} BC/AD"
        ),
        "decimal": (
            "of/at/by/to/about/with/around/a score of/version/nearly/an average of/from/of only/"
            "a value of/up/over"
        ),
        "fraction": (
            "about {} of the @/nearly {} of it/only {} of the +/by/for {} of the +/"
            "some {} of an inch/with {} cups of/after {} hours/for {} miles/of/to/"
            "{} an inch/{} mile/{} cup of"
        ),
        "money": (
            "for/for/of/about/worth/over/at/under/from/nearly/up to/with only/more than/costing/"
            "to/by/around/less than/for just/for {} a month/and {} for the +/and paid/"
            "{} an hour/of {} each/owing someone {} and a +"
        ),
        "measure": (
            "of/about/at/for/by/only/nearly/some/under/above/below/over/within/up to/weighing/"
            "measuring/around/with {} of +/and {} of +/as much as/to/just"
        ),
        "percent": (
            "by/of/about/at/to/nearly/only/up/down/more than/with/around/a {} +/{} of the @/"
            "as much as/about {} of the +/from/near"
        ),
        "time": (
            "at/at/by/before/after/until/around/from/just after/since/about/shortly before/"
            "at {} sharp/at {} local time/at {} in the morning/as late as/no later than"
        ),
        "telephone": (
            "at/on/under/number/code/(ISBN/with the number/by calling/as/from/of/room/part"
        ),
    }.items()
}
DECADES = ("in the", "of the", "since the", "in the early", "in the late", "in the mid-")
HELPERS = [*listed("will can must would didn't can't won't could should may did"), "is going to"]
ENDS = "......!?"


def prose(rng: Random, leads: Sequence[str], word: Word) -> str:
    """A sentence with the `leads` somewhere in it, which have a `{}` for a phrase each."""
    places = list(leads)
    kind = rng.random()
    if kind < 0.2:
        text = f"{places.pop(0)}{',' * chance(rng, 0.6)} {clause(rng, word)}"
    elif kind < 0.3:
        text = f"{place(rng, word)} {places.pop(0)} {predicate(rng, word)}"
    elif kind < 0.4:
        text = f"{pick(rng, ('please ', '', 'do not '))}{order(rng, word)}"
    else:
        text = clause(rng, word)
    while places:
        text += f"{pick(rng, (',', '', '', ' ' + pick(rng, WORDS['adverb'])))} {places.pop(0)}"
    if text.count("(") > text.count(")"):
        text += ")"
    if chance(rng, 0.5):
        text += tail(rng, word)
    return punctuated(rng, text[:1].upper() + text[1:])


def lead(rng: Random, name: str, word: Word, decade: bool) -> str:
    """The words before a phrase, its place, and now and then words behind it.

    `decade` says of a phrase of the class year that it is one.
    """
    text = pick(rng, DECADES if decade and name == "year" else LEADS[name])
    for mark, kind in (("@", "plural"), ("+", "singular"), ("#", "adjective")):
        text = text.replace(mark, word(kind))
    if "{}" in text:
        return text
    return text + ("{}" if text.endswith("-") else " {}")


def clause(rng: Random, word: Word) -> str:
    return f"{place(rng, word)} {predicate(rng, word)}"


def predicate(rng: Random, word: Word) -> str:
    kind = rng.random()
    if kind < 0.2:
        return word("intransitive")
    if kind < 0.35:
        return f"{pick(rng, listed('was is were seemed became stayed'))} {word('adjective')}"
    if kind < 0.5:
        return f"{pick(rng, HELPERS)} {order(rng, word)}"
    if kind < 0.6:
        return f"{pick(rng, ('has', 'have', 'had', 'is', 'does not have'))} {thing(rng, word)}"
    return f"{word('verb')} {thing(rng, word)}"


def order(rng: Random, word: Word) -> str:
    return f"{word('base')} {thing(rng, word)}"


def thing(rng: Random, word: Word) -> str:
    """What a verb is about, now and then with something else beside it."""
    text = place(rng, word)
    return f"{text} {word('preposition')} {place(rng, word)}" if chance(rng, 0.2) else text


def place(rng: Random, word: Word) -> str:
    """Someone or something."""
    kind = rng.random()
    if kind < 0.25:
        return word(pick(rng, ("name", "name", "place")))
    if kind < 0.4:
        return word("pronoun")
    described = f"{word('adjective')} " if chance(rng, 0.4) else ""
    if kind < 0.6:
        return f"{word('many')} {described}{word('plural')}"
    text = described + word("singular")
    determiner = word("determiner")
    return ("an " if determiner == "a" and text[0] in "aeiou" else f"{determiner} ") + text


def tail(rng: Random, word: Word) -> str:
    """How a sentence goes on behind its phrases."""
    kind = rng.random()
    if kind < 0.35:
        return f"{',' * chance(rng, 0.5)} {word('connective')} {clause(rng, word)}"
    if kind < 0.6:
        return f" {word('preposition')} {place(rng, word)}"
    if kind < 0.7:
        return f", {word('adverb')}"
    if kind < 0.8:
        return f", {word('name')} said"
    if kind < 0.9:
        return f" in {word('place')}"
    return f"; {clause(rng, word)}"


def punctuated(rng: Random, text: str) -> str:
    """The sentence with its end and, now and then, quotes, dashes and curly apostrophes."""
    text += pick(rng, ENDS) if chance(rng, 0.95) else ""
    if chance(rng, 0.04):
        text = f'"{text}"'
    if chance(rng, 0.05):
        text = text.replace(", ", " \u2014 " if chance(rng, 0.5) else " \u2013 ", 1)
    if chance(rng, 0.1):
        text = text.replace("'", "\u2019").replace('"', "\u201c", 1).replace('"', "\u201d")
    return text
