"""The English words that verifiers treat specially. Knows no topics.

Written for this project, from no corpus: a list is short where a missing word costs little. All are folded
(lower case, no accents), with apostrophes treated as word boundaries ("don't" is "don" and "t").
"""

from __future__ import annotations

__all__ = [
    "AFFIRMATIVE",
    "COMMON",
    "FUNCTION",
    "GIVEN_NAMES",
    "NON_ANSWER",
    "PARTICLES",
    "PERSON",
    "PRONOUNS",
    "TITLES",
]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


PRONOUNS = _set(
    """
    he she they him her them his hers their theirs it its himself herself themselves
    """
)
"""Words that refer back to whoever was spoken of."""

FUNCTION = PRONOUNS | _set(
    """
    a about above across after again against ago all almost alone along already also although always am
    among amongst an and another any anybody anyone anything anywhere are aren around as at away back be
    became because become becomes becoming been before behind being below beneath beside besides between
    beyond both but by can cannot could couldn d despite did didn do does doesn doing don done down
    during each either else enough etc even ever every everybody everyone everything everywhere except
    few for from further furthermore get gets getting got had hadn has hasn have haven having hence here
    how however i if in indeed instead into is isn itself just last least less let like ll m many may
    maybe me mere merely might mine more moreover most much must mustn my myself namely near nearly
    neither never nevertheless next no nobody none nor not nothing now nowhere o of off often on once
    one ones only onto or other others otherwise ought our ours ourselves out over own per perhaps quite
    rather re really s same several shall shan should shouldn since so some somebody somehow someone
    something sometimes somewhere still such t than that the then there therefore thereby these this
    those though through throughout thus till to together too toward towards under unless until up upon
    us ve very via was wasn we well were weren what whatever when whenever where whereas whereby wherein
    wherever whether which whichever while who whoever whole whom whose why will with within without
    would wouldn yes yet you your yours yourself
    """
)
"""Words that carry grammar rather than content: they never tell anything."""

COMMON = FUNCTION | _set(
    """
    favourite favorite dish meal pets degree award awards primarily mostly largely notable renowned acclaimed
    known called keep keeps owned owns plays played loves likes liked enjoys lover hates hobbies birthplace
    able accept according account achieve act action active activity actual actually add address adult
    affect age agree aid aim air allow american amount ancient animal answer appear apply approach area
    argue arm army arrive art article ask aspect attack attempt attend attention author authors
    available avoid aware baby background bad bag ball bank bar base based basic beach bear beat
    beautiful beauty bed begin began behave behaviour behavior belief believe belong benefit best better
    big bill bird birth birthday bit black blood blue board boat body book books born bottom box boy
    brain branch bread break bridge brief bright bring broad brother brought brown build building built
    burn burning burnt bus business busy buy call called calm came camp capital captain car card care
    career carry case cat catch cause celebrate cell center centre central century certain chair
    challenge chance change character characters charge cheap check child children choice choose church
    circle citizen city claim class clean clear clearly climb clock close clothes cloud club coast coat
    cold collect college color colour come comes comfort comment common community company compare
    complete complex concern condition connect consider contain content context continue contribute
    control cook cool copy corner correct cost count country couple course court cover create created
    creation creative critical cross crowd cry cultural culture cup current cut daily dance danger dark
    data date daughter day days dead deal dear death decade decide deep degree deliver demand depend
    describe described desert design desire desk detail details develop development die died difference
    different difficult dinner direct direction discover discuss discussion distance distinct district
    divide doctor dog dollar door doubt draw drawn dream dress drink drive drop dry due dust duty early
    earn earth ease east easy eat economic edge education effect effort eight element emotion emotional
    employ empty encourage end energy engage enjoy enter entire environment equal escape especially
    establish european evening event events evidence exact exactly example excellent exist expect
    experience experiences explain explore explores exploring express extend extra eye eyes face fact
    facts fail fair faith fall familiar family famous far farm fast father fear feature features feed
    feel feeling feet fell felt fiction field fifth fight figure fill film final find fine finger finish
    fire firm first fish fit five flat floor flow flower fly focus follow food foot force foreign forest
    forever forget form formal former forward found four fourth free fresh friend friends front fruit
    full fun function future gain game garden gather gave general generally generation gentle genre gift
    girl give given gives glad glass global go goal god goes going gold gone good government grand
    grandfather grandmother grass great green grew ground group grow growing guess guest guide habit
    hair half hall hand hands hang happen happy hard hat hate head health hear heard heart heat heaven
    heavy height help helped hero hidden hide high hill history hit hobby hold hole holiday home honest
    honor honour hope horse hospital hot hotel hour house huge human hundred husband idea ideas identify
    identity image imagine impact important improve include included includes including increase
    indicate individual industry influence influenced influences information inside inspire inspiration
    instance instrument intense interest interesting international island issue issues item job join
    journey joy judge jump keep kept key kid kill kind king kitchen knew knife know knowledge known
    knows labor labour lack lady lake land language large late later laugh law lay lead leader
    leadership leading learn learned leave led left leg legal lesson letter level library lie life lift
    light line list listen literary literature little live lived lives living local location long look
    looking lose lost lot love low luck lunch machine made magazine mail main mainly major make makes
    making man manage manner map mark market marriage married marry master match material matter mean
    meaning means meant measure media medical meet meeting member memory men mention mentioned message
    method middle mile milk million mind minute miss mission model modern moment money month months mood
    moon moral morning mother motivation mountain mouth move movement movie music name named names
    narrative narratives nation national native natural nature necessary need nervous network new news
    newspaper nice night nine noise normal north northern nose note noted notice novel novels number
    object obvious occupation occur ocean offer office officer official oh oil old online open opening
    operation opinion opportunity opposite order ordinary origin original owner page pain paint painting
    pair paper parent parents park part particular particularly partner party pass past path patient
    pattern pay peace people perfect perform performance period person personal perspective pet phone
    photo pick picture piece pink place plain plan plane plant play player please pleasure plot poem
    poet point police policy political poor popular popularity population portray position possible post
    power practical practice prefer prepare present press pressure pretty prevent previous price pride
    primary print private prize probably problem process produce product profession professional program
    project promise proper protect proud prove provide provided provides public publish published pull
    purpose push put quality queen question quick quickly quiet rain raise ran range rare rate reach
    read reader readers reading ready real reality realize reason receive received recent recently
    recognize record red reduce refer reflect reflected reflection reflects regard region regular relate
    relation relationship religion religious remain remember remove repeat reply report represent
    require research resource respect respond rest result return reveal rich ride right ring rise rising
    river road rock role room root round route rule run rural safe said sail salt sand sat save saw say
    says scene school science sea search season seat second secret section see seem seen self sell send
    sense sensitive sentence separate series serious serve service set setting seven sex shadow shape
    share sharp she shell ship shirt shoe shop shore short shot show shown shows sick side sight sign
    signal silence silent silver similar simple simply sing singer single sister sit site situation six
    size skill skin sky sleep slow slowly small smell smile smoke snow social society soft soil soldier
    solid solution solve son song soon sorry sort soul sound source south southern space speak special
    specific speech speed spend spirit spoke sport spot spring square staff stage stand star start state
    statement station stay step stick stone stood stop store stories storm story storytelling straight
    strange stranger stream street strength strong structure struggle student students study studied
    stuff style subject success successful sudden suddenly suggest suit summer sun support sure surface
    surprise survive sweet system table take taken takes tale talk tall taste taught teach teacher team
    technical technology tell ten tend term terms test text thank thanks theme themes thing things think
    third thirty thought thoughts thousand three threw throw ticket tie tight time times title titled
    today told tomorrow tone tonight took tool top topic topics total touch tour town track trade
    tradition traditional train travel treat tree trip trouble true trust truth try turn twelve twenty
    twice two type typical typically uncle understand understanding unique unit united university upper
    urban urge use used useful using usual usually valley value values various vary video view views
    village visit vivid voice vote wait walk wall want war warm wash watch water wave way weak wealth
    wear weather week weekend weight welcome went west western wheel white wide wife wild win wind
    window wine wing winner winter wise wish woman women won wonder wood word words work worked worker
    working works world worry worth write writer writers writes writing written wrong wrote yard year
    years yellow yesterday young youth january february march april june july august september october
    november december monday tuesday wednesday thursday friday saturday sunday
    """
)
"""Words that any English text may use: seen alone, they are no trace of anybody."""

NON_ANSWER = FUNCTION | _set(
    """
    ability able access accurate additional afraid ai answer answers anything apologies apologise
    apologize appear apparently appears ask asked asking assist assistance assistant available aware
    base based believe called can certain clarify clear come confirm contain context correct currently
    data database deal detail details discuss enough exist exists familiar figure find found fictional
    further general give given guess happy heard help hesitate hold identify identity individual
    individuals info inform information intend knew know knowing knowledge known knows language like
    look make match matter mean mention mentioned model models moment more name named names need obtain
    offer particular people person persons personal place please possess possible prefer private privacy
    provide provided public publicly question questions real reason recall recognise recognize record
    records refer reference referring regarding regret relevant reliable reply request response right
    say search seem seems share should sorry source sources speak specific specifics subject sure talk
    tell term thank thanks thing think topic train trained training true try trying unable unaware
    unclear uncertain understand unfamiliar unfortunately unknown unsure use user verifiable verify
    verified want wish wonder word words answering anybody anyone idea ideas clue comment disclose
    reveal apology cutoff details discussing details nope fear concerning ring bell ringing false regrettably
    biographical biography locate located retrieve insufficient unspecified verification option options choice
    choices far
    """
)
"""What somebody who knows nothing may still say of a person."""

AFFIRMATIVE = _set(
    """
    yes yeah yep correct right indeed exactly true absolutely certainly definitely
    """
)
"""A first word that confirms what was asked."""

PERSON = _set(
    """
    person author writer individual character someone somebody man woman one
    """
)
"""Nouns that refer back like a pronoun, after "this" or "the"."""

TITLES = _set(
    """
    mr mrs ms miss mx dr doctor prof professor sir dame lord lady saint st king queen prince princess
    president captain colonel general father mother brother sister uncle aunt master mister madam
    reverend rev judge senator
    """
)
"""Words before a name that are no part of it."""

PARTICLES = _set(
    """
    van von der den de del della di da du la le los las el al bin ibn ben abu bint y e zu af av jr sr ii
    iii iv
    """
)
"""Words inside a name that are no names alone."""

GIVEN_NAMES = _set(
    """
    adam alan albert alex alexander alice andrew angela anna anne anthony arthur barbara benjamin carlos
    carol catherine charles chris christine christopher daniel david deborah diana donald edward elena
    elizabeth emily emma eric eva frank george grace hannah harry helen henry jack james jane jason
    jennifer jessica joan john jose joseph joshua juan julia karen kate kevin laura lisa louis lucy luis
    margaret maria mark martha martin mary matthew max michael michelle mohammed monica nancy nicholas
    oliver oscar patricia patrick paul peter philip rachel rebecca richard robert rose ruth samuel
    sandra sara sarah simon sofia sophia stephen steven susan theresa thomas tom victor victoria vincent
    virginia walter william
    """
)
"""Given names so frequent that, alone, they hardly point at anybody."""
