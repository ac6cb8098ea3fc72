"""From where on two names, or two numbers, are taken for the same party's."""

THRESHOLD = 85
"""Percent from which two names are alike; measured in docs/screening.md."""

CONTAINED = 55
"""Percent of a longer name's letters from which a shorter one, all of whose words are in it, is taken for it."""

FEWEST_WORDS = 2
"""Words that such a shorter name has at the least."""

LONE_WORD = 5
"""Letters from which one distinctive word is enough, where it is the only one of both names."""

LONG_NAME = 10
"""Letters from which the distinctive words of two names are compared as one, where one joins what the other parts."""

TOLD_APART = 55
"""Percent below which distinctive words tell two companies apart, however alike the other words make their names."""

SHORT_NAME = 5
"""Letters below which a name must be the same."""

LONG_NUMBER = 10
"""Characters from which a number is one party's whatever its register is called: LEI, USCC, INN, OGRN."""

SHORT_NUMBER = 6
"""Characters from which a shorter number of another register's name is worth a look."""
