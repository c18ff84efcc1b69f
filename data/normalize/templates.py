"""Sentences with a place for a phrase, and the words that fill them; none holds a digit.

`{x}` is the phrase; every other slot is filled from the list of that name in WORDS. What
follows `{x}` never changes how the phrase is read.
"""

from number_words import listed

WORDS = {
    name: words.split("/")
    for name, words in {
        "name": (
            "Anna/Ben/Carla/David/Emma/Frank/Grace/Henry/Iris/Jack/Kate/Leo/Maria/Nora/Oscar/Paul/"
            "Ruth/Sam/Tom/Vera/Mr. Smith/Mrs. Brown/Dr. Lee/She/He/My brother/Our teacher/"
            "The mayor/The owner/His sister/Peter/Laura/Daniel/Susan/Robert/Linda/George/Alice"
        ),
        "person": (
            "Anna/Ben/Carla/David/Emma/Frank/Grace/Henry/Iris/Jack/Kate/Leo/Maria/Nora/Oscar/Paul/"
            "Ruth/Sam/Tom/Vera/Mr. Smith/Mrs. Brown/Dr. Lee/she/he/my brother/our teacher/"
            "the mayor/the owner/his sister/Peter/Laura/Daniel/Susan/Robert/Linda/George/Alice"
        ),
        "who": (
            "Anna/Ben/Carla/David/Emma/Frank/Grace/Henry/Iris/Jack/Kate/Leo/Maria/Nora/Oscar/Paul/"
            "Ruth/Sam/Tom/Vera/her/him/them/us/my friend/the class/Peter/Laura/Daniel/Susan"
        ),
        "place": (
            "Paris/London/Boston/Chicago/Berlin/Madrid/Rome/Tokyo/Texas/Ohio/Canada/Spain/Italy/"
            "Kenya/Peru/New York/San Diego/Oxford/Dublin/Vienna/Cairo/Sydney/India/Norway/Brazil/"
            "Greece/Denver/Lisbon/Prague/Florida/France/Germany/Mexico/Japan/China/Australia"
        ),
        "thing": (
            "house/car/river/road/bridge/garden/school/church/station/market/museum/library/ship/"
            "train/company/village/island/lake/tower/castle/farm/factory/theater/hotel/airport/"
            "book/letter/report/map/table/box/phone/machine/engine/field/forest/park/harbor/hall/"
            "building/city/club/team/film/song/album/program/project/system/office/hospital"
        ),
        "shop": (
            "school/church/station/market/museum/library/tower/factory/theater/hotel/airport/park/"
            "hall/club/office/hospital/garden/bridge/shop/bank/road/harbor/castle/house"
        ),
        "things": (
            "people/students/houses/books/trees/cars/ships/soldiers/workers/visitors/votes/birds/"
            "fish/letters/pages/copies/children/families/farmers/members/players/games/songs/"
            "species/stars/tickets/schools/seats/words/jobs/goals/horses/sheep/boxes/stones"
        ),
        "adj": (
            "old/new/small/large/red/blue/green/white/black/long/short/tall/quiet/famous/early/"
            "late/fine/good/bad/local/strange/public/private/simple/strong/empty/open/heavy/poor/"
            "rich/cold/warm/dark/bright/clean/dry/safe/busy/wide/narrow/useful/popular/modern"
        ),
        "was": "was/is/remains/became/seems",
        "did": (
            "saw/found/bought/sold/built/opened/closed/left/lost/made/moved/painted/planned/"
            "reached/visited/finished/described/repaired/studied/won/wanted/wrote about"
        ),
        "born": "was born/died/retired/arrived/married/moved away/came home/took office",
        "event": (
            "war/meeting/concert/wedding/election/fire/storm/trial/race/festival/treaty/strike/"
            "flood/battle/show/final/course/game/tour/party"
        ),
        "adverb": "about/only/over/nearly/almost/exactly/roughly/at least/at most/just/around",
        "end": "./././!/?/;/",
    }.items()
}

ANY_CLASS = (
    "The {thing} says {x}.",
    'It says "{x}".',
    "{name} {did} the {thing} ({x}).",
    "See {x}; it {was} {adj}.",
    "{x}, said {person}.",
    "{name} said {x}, not more{end}",
    "{x} {was} on the {adj} {thing}.",
    "Not {x}, but the {adj} {thing}.",
    "Please read {x} to {who}{end}",
    "{name} {did} the {adj} {thing}: {x}{end}",
)

TEMPLATES = {
    "cardinal": (
        "{adverb} {x} {things} came to {place}.",
        "{name} {did} {x} {things}.",
        "{name} {did} {adverb} {x} {things}{end}",
        "{x} {things} live near the {thing}.",
        "The {thing} has {x} {things}.",
        "There are {x} {adj} {things}.",
        "There were {x} in the {thing}.",
        "The population was {x}.",
        "Population: {x}",
        "{place} has {x} {things}{end}",
        "In {place}, {x} {things} left the {thing}.",
        "The {adj} {thing} holds {x} {things}.",
        "Of {x} {things}, most left {place}.",
        "The number is {x}{end}",
        "It fell to {x}, then rose.",
        "No. {x} {was} {adj}.",
        "The total ({x}) {was} {adj}.",
        "Chapter {x}",
        "{name} counted {x} and went home.",
    ),
    "ordinal": (
        "It was the {x} {thing}.",
        "the {x} {thing} in {place}",
        "{name} {did} the {x} {thing}.",
        "{name} came {x} in the race.",
        "{name} finished {x}.",
        "The {x} {event} {was} {adj}{end}",
        "On the {x} day, {person} {did} the {thing}.",
        "Her {x} {adj} {thing}",
        "This is our {x} {event}{end}",
        "It ranks {x} in {place}.",
        "They met on {x} Street.",
        "{x} place went to {who}.",
        "the {x} and last {event}",
        "For the {x} time, {person} {did} it.",
        "Was it the {x}?",
        "The {thing} {was} the {x} of its kind.",
    ),
    "date": (
        "{name} {born} on {x}.",
        "On {x}, {person} {did} the {thing}.",
        "The {event} began on {x}.",
        "The {event} of {x} {was} {adj}{end}",
        "The {shop} opened on {x}{end}",
        "{name} {did} it on {x}, in {place}.",
        "{x}: {person} {did} the {adj} {thing}.",
        "Released: {x}",
        "Published on {x}.",
        "From {x} on, the {shop} was closed.",
        "It ended on {x} in {place}.",
        "{name} came to {place} on {x}{end}",
        "The {shop} (opened {x}) {was} {adj}.",
        "Retrieved {x}.",
        "since {x}",
        "By {x}, the {thing} was {adj}.",
        "On {weekday}, {x}, {person} {born}.",
        "{weekday}, {x}",
        "{weekday} {x}",
        "{weekday_short}, {x}",
        "{weekday_short} {x}",
        "It rained on {weekday_short}, {x}.",
        "It was {weekday}, {x}.",
        "We met on {weekday} {x}{end}",
    ),
    "year": (
        "In {x}, {person} {did} the {thing}.",
        "In {x} the {thing} was {adj}.",
        "{name} {born} in {x}.",
        "The {shop} was built in {x}.",
        "The {event} of {x} {was} {adj}{end}",
        "It opened in {x} in {place}.",
        "{name} moved to {place} in {x}.",
        "Since {x}, the {thing} has been {adj}.",
        "By {x} it was {adj}{end}",
        "{name} (born {x}) {did} the {thing}.",
        "It dates from {x}.",
        "from {x} until the {event}",
        "The {x} {event} in {place} {was} {adj}.",
        "The {x} {event} {did} the {thing}.",
        "{place}, {x}",
        "After {x}, {person} left {place}.",
        "{name} {did} the {adj} {thing} ({x}).",
        "{x} {was} our {adj} year.",
    ),
    "decade": (
        "In the {x}, {person} {did} the {thing}.",
        "In the early {x}, the {thing} was {adj}.",
        "It was built in the late {x}{end}",
        "{name} {born} in the mid-{x}.",
        "Since the {x}, the {thing} has been {adj}.",
        "The {things} of the {x} were {adj}.",
        "It dates from the {x}.",
        "a {thing} of the {x}",
        "{name} {did} the {thing} in the {x}{end}",
        "By the mid-{x} it was {adj}.",
        "The {x} were our {adj} years.",
    ),
    "decimal": (
        "The value is {x}.",
        "The average was {x}{end}",
        "{name} scored {x} on the {thing}.",
        "It rose from {x} to more.",
        "The ratio ({x}) {was} {adj}.",
        "{adverb} {x} times as {adj}",
        "The {thing} measured {x} on the scale.",
        "{name} batted {x} for {place}.",
        "Version {x} {was} {adj}.",
        "The rate in {place} {was} {x}{end}",
        "With {x}, {person} won the {event}.",
        "The index fell to {x}, then rose.",
        "A score of {x} {was} {adj}.",
        "It {was} {x} in {place}.",
        "{name} got {x}!",
    ),
    "fraction": (
        "{name} ate {x} of the cake.",
        "{adverb} {x} of the {things} left.",
        "{x} of the {things} left the {thing}.",
        "Add {x} of the water.",
        "It is {x} of the {adj} {thing}.",
        "{name} {did} {x} of the {thing}.",
        "The answer is {x}{end}",
        "Use {x} of the {adj} box.",
        "It was {x} full.",
        "The {thing} {was} {x} as {adj}.",
        "{name} owns {x} of the {thing}{end}",
        "Is {x} more than that?",
        "Cut off {x}, then stop.",
        "A share of {x} went to {who}.",
    ),
    "money": (
        "It cost {x}.",
        "The {thing} cost {x}{end}",
        "{name} paid {x} for the {thing}.",
        "{name} paid {adverb} {x} for it.",
        "They sold the {thing} for {x}.",
        "{x} went to {who}.",
        "The {adj} {thing} costs {x} in {place}.",
        "The company lost {x} on the {thing}.",
        "The {thing} earned {x} in {place}.",
        "The price was {x}, said {person}.",
        "For {x}, {person} {did} the {thing}.",
        "{name} gave {x} to {who}{end}",
        "Can you lend me {x}?",
        "The {thing} is worth {adverb} {x}.",
        "Price: {x}",
        "{name} earned {x} and left {place}.",
        "It raised {x} at the {event}.",
    ),
    "measure": (
        "The {thing} measures {x}.",
        "It is {adverb} {x} from {place}.",
        "The {adj} {thing} was {x} away.",
        "{name} needs {x} of it.",
        "{adverb} {x} were used in {place}.",
        "It reached {x} in {place}.",
        "The value was {x}, said {person}.",
        "At {x}, the {thing} stopped.",
        "{x} is too much for {who}.",
        "{name} measured {x}{end}",
        "The limit is {x}{end}",
        "from {x} upward",
        "It uses {x} or less.",
        "Nearly {x} was lost, {person} said.",
        "Size: {x}",
    ),
    "percent": (
        "{adverb} {x} of the {things} left.",
        "{x} of the {things} live in {place}.",
        "The rate was {x}.",
        "It grew by {x} in {place}.",
        "Prices rose {x}{end}",
        "{name} won {x} of the vote.",
        "About {x} agreed, said {person}.",
        "{name} owns {x} of the {thing}.",
        "A tax of {x} {was} {adj}.",
        "With {x}, {person} lost the election.",
        "The {thing} is {x} full{end}",
    ),
    "time": (
        "The {event} starts at {x}.",
        "We left at {x}.",
        "At {x}, {person} {did} the {thing}.",
        "{name} came home at {x}{end}",
        "The train to {place} leaves at {x}.",
        "The {shop} opens at {x} and closes late.",
        "It was {x} in {place}.",
        "Call {who} at {x}{end}",
        "from {x} until noon",
        "By {x}, the {thing} was {adj}.",
        "{x} {zone}",
        "Meet {who} before {x}, please.",
        "It is {x} now.",
        "on {weekday} at {x}",
        "Live at {x} {zone} from {place}",
    ),
    "telephone": (
        "Call {x}.",
        "Call {who} at {x}{end}",
        "The number is {x}.",
        "(see {x})",
        "ISBN {x}",
        "ISBN {x}.",
        "{name} {did} the {thing} (ISBN {x}).",
        "Phone: {x}",
        "Dial {x} for {who}.",
        "Code {x} {was} {adj}.",
        "Her number, {x}, {was} {adj}.",
        "The {thing} has the number {x}{end}",
        "{name} lost, {x}, in {place}.",
        "Item {x} {was} {adj}.",
        "Ask for {x} at the {thing}.",
    ),
}
WORDS |= {
    "weekday": listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
    "weekday_short": listed("Mon Tue Wed Thu Fri Sat Sun"),
    "zone": listed("GMT UTC EST ET PST CET"),
}
