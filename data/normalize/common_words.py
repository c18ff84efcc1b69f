"""The common words of the sentences that `prose.py` puts together, by kind.

No word of WORDS makes another phrase of what it follows.
"""

from number_words import listed

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
        "also just"
    ),
    "preposition": listed(
        "near behind under over above below beside between against across along around through "
        "into onto without with for from by of like despite beyond outside inside towards "
        "during within"
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
    "subject": listed("I you he she it we they nobody everyone someone who this that"),
    "object": listed("me you him her it us them nobody everyone someone this that"),
    "contracted": listed("I've they've we've he'd she'd you'd who'd"),  # before a verb
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
