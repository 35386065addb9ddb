"""Pure. The habits of publications as tables: months, words around a text, who is nobody. Another one's go here.

Nothing in these tables is about one page or one author; each row is a habit of a kind of page.
"""

import re
from typing import Final


def _table(words: str) -> frozenset[str]:
    return frozenset(words.split("|"))


# Month names as they are printed in datelines, lower case. Abbreviations are taken with or without their full stop.
MONTHS: Final[dict[str, int]] = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janvier enero января",
            "february feb februar février fevrier febrero февраля",
            "march mar märz maerz mars marzo марта",
            "april apr avril abril апреля",
            "may mai mayo мая",
            "june jun juni juin junio июня",
            "july jul juli juillet julio июля",
            "august aug août aout agosto августа",
            "september sep sept septembre septiembre сентября",
            "october oct oktober okt octobre octubre октября",
            "november nov novembre noviembre ноября",
            "december dec dezember dez décembre decembre diciembre декабря",
        ),
        start=1,
    )
    for name in names.split()
}

# What a content system prints where nobody is named, and the accounts that it signs with.
NOBODY: Final = _table(
    "empty|none|n/a|na|unknown|nobody|no author|admin|administrator|site administrator|site admin|webmaster|"
    "web master|web editor|editor|web|superuser|super user|root|user|guest"
)
HONORIFICS: Final = _table(
    "dr|prof|professor|mr|mrs|ms|miss|sir|amb|ambassador|gen|general|col|colonel|lt|maj|capt|rev|hon"
)
# Lower-case words inside a name; Central Asian patronymics may end one.
PARTICLES: Final = _table(
    "al|el|de|del|della|der|den|des|di|da|do|dos|du|van|von|zu|bin|ibn|bint|ben|la|le|ter|ten|y|e|af|av|"
    "kyzy|kizi|gyzy|qizi|uulu|ogly|oglu|ugli|zade"
)
SUFFIXES: Final = _table("jr|sr|ii|iii|iv|phd|ph.d|ma|m.a|mba|md|m.d|esq|ed|eds")

# A part of a byline that has one of these words is no person but where a person works or what a person does.
INSTITUTION: Final = re.compile(
    r"\b(universit\w+|institut\w*|cent(?:er|re)s?|college|school|academy|foundation|agency|ministry|council|"
    r"association|society|organi[sz]ation|programm?e?|department|faculty|bureau|committee|commission|bank|group|"
    r"fellow\w*|professor|lecturer|researcher|research|scholar|student|candidate|analyst|expert|director|head|"
    r"correspondent|journalist|reporter|editor|consultant|adviser|advisor|freelance|independent|chair|member|"
    r"intern|associate|senior|visiting|studies|international|affairs|policy|news|press|radio|times|project|oblast|province|region|"
    r"republic|district|county|city|network|initiative|think|tank|the|of|at|for|in|based|is|was)\b",
    re.IGNORECASE,
)
# Two capitalised words that are a place and not a person.
PLACES: Final = _table(
    "new york|new delhi|hong kong|united states|united kingdom|united nations|washington dc|washington d.c|"
    "st petersburg|st. petersburg|saint petersburg|los angeles|san francisco|sri lanka|saudi arabia|south korea|"
    "north korea|south africa|new zealand|czech republic|kyrgyz republic|russian federation|north ossetia|"
    "south ossetia|nagorno karabakh|nur sultan|kuala lumpur|tel aviv|great britain|the hague|"
    "central asia|south caucasus|north caucasus|middle east|buenos aires"
)

# Heads that run into the first sentence of a part. The second column says which are misprints of which.
RUN_IN_HEADS: Final[dict[str, str]] = {
    "BACKGROUND": "BACKGROUND", "IMPLICATIONS": "IMPLICATIONS", "CONCLUSIONS": "CONCLUSIONS",
    "CONCLUSION": "CONCLUSION", "IMPLICATION": "IMPLICATION", "ANALYSIS": "ANALYSIS", "SUMMARY": "SUMMARY",
    "BACKROUND": "BACKGROUND", "BACKGROUD": "BACKGROUND", "IMPLICATONS": "IMPLICATIONS", "IMPLCATIONS": "IMPLICATIONS",
    "CONLUSIONS": "CONCLUSIONS", "CONCULSIONS": "CONCLUSIONS", "CONCLUSONS": "CONCLUSIONS",
}  # fmt: skip
RUN_IN: Final = re.compile(rf"({'|'.join(RUN_IN_HEADS)})(?:(\s*:)\s*|\s*$)")

# From such a line on, the page has nothing more of a text. Whole lines, and short ones: a paragraph may begin the same.
PAGE_ENDS: Final = re.compile(
    r"visit also|newsletter|back to top|(?:related|latest) (?:items|articles|posts|stories)\b.{0,40}|"
    r"more in this category:.*|latest from .{1,60}|all rights reserved.{0,60}|privacy policy|terms of use|"
    r"(?:sign up|subscribe) (?:for|to) .*(?:news|newsletter|updates|articles|events|mailing list)\b.*|"
    r"©.{0,80}\d{4}.{0,80}|\(c\)\s?\d{4}.{0,80}|copyright\b[^.!?]{0,60}\d{4}.{0,60}",
    re.IGNORECASE,
)
# After such a line an item's text is over, but on a page of several the next item may follow.
ITEM_ENDS: Final = re.compile(
    r"read \d[\d,.]* times?|hits: \d+|tagged under.*|last modified (?:on|:).*|share (?:this|on)\b.{0,40}|"
    r"social sharing|be the first to comment!?|(?:leave|add|post) (?:a )?(?:comment|reply)|comments? \(\d+\)|"
    r"login to post comments",
    re.IGNORECASE,
)
# The same where a capture glued them to the last sentence.
PAGE_ENDS_GLUED: Final = re.compile(
    r"Read \d+ times?\s*$|Visit also\s*$|Sign up for upcoming events\b|"
    r"(?:^|(?<=[.!?”\"’')\]…]))The [A-Z][\w’'-]*(?:[ &]+[A-Z][\w’'-]*){0,7} is an? "
    r"(?:bi-?weekly|weekly|fortnightly|bi-?monthly|monthly|quarterly) "
    r"(?:publication|journal|newsletter|magazine|review) of\b"
)
# Lines between the paragraphs of a page that are not text; the rest of the page goes on after them.
NOT_TEXT: Final = re.compile(
    r"\[?\(?(?:please )?click (?:here )?(?:to|for) .{0,60}|(?:please )?click here\b.{0,60}|"
    r"download (?:the )?(?:full )?pdf.*|"
    r"(?:read|view|download|see)\b.{0,80}\(pdf\).?|\[?pdf\]?|read more ?(?:\.{3}|…)?|featured|print|e-?mail|"
    r"font size.*|(?:rate this item|\d(?: \d){4})|(?:\(\d+ votes?\))|written by super user|#{2,}|[-*_=–—•· ]{1,40}|"
    r"-?\s?(?:30|ends?|end)\s?-|\(?(?:word ?count:? ?)?[\d,]+ words\)?|screen ?shot \d{4}-\d\d-\d\d .*",
    re.IGNORECASE,
)
# A picture's file name that stands as a paragraph: one word, with a number, an underscore or an ending in it.
FILE_NAME: Final = re.compile(
    r"(?=\S*(?:\d|_))[\w-]+(?:[-_][\w-]+)+|\S+\.(?:jpe?g|png|gif|webp|tiff?)|(?:img|dsc|stock|photo|image)\w*",
    re.IGNORECASE,
)
FILE_NAME_GLUED: Final = re.compile(r"(?=\S*\d)[a-z0-9]+(?:[-_][a-z0-9]+)+(?=[A-Z][a-z]+[ ,])")
# Another paper's headline under a picture: no sentence, and the paper's name after a dash.
CREDITED_HEADLINE: Final = re.compile(r"[^.!?]{10,160} [–—|] (?:The )?[A-Z][\w.]*(?: [A-Z][\w.]*){0,3}")

CONTENTS_HEAD: Final = re.compile(r"(?:table of )?contents:?|in this issue:?|contents of this issue:?", re.IGNORECASE)
BIO_HEAD: Final = re.compile(
    r"\W*(?:author[’'`s]*s? bio(?:graphy)?s?|about the authors?|bio(?:graphical note)?s?)\W*:\s*", re.IGNORECASE
)
EVENT_SECTION: Final = re.compile(r"\b(?:events?|calendar|conferences?|seminars?)\b", re.IGNORECASE)
EVENT_SIGN: Final = re.compile(
    r"\brsvp\b|\b(?:please|to) (?:register|rsvp)\b|^(?:where|when|venue|time and place|speakers?|moderator)\s*:|"
    r"\byou are (?:cordially )?invited\b|\binvites you to\b",
    re.IGNORECASE | re.MULTILINE,
)
DIGEST: Final = re.compile(r"\bdigest\b", re.IGNORECASE)
