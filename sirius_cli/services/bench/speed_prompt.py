"""The prompt of end-to-end measurements: the same text for everyone, cut or repeated to the length asked for."""

from itertools import chain, cycle, islice

from sirius_cli.services.bench.speed_plan import Tokens

# Prose with names, numbers and steps, so that a model has something to go on with; ours, so that it may be shipped.
_TEXT = """\
A canal lock is a chamber with gates at both ends. Boats enter at one level and leave at another, and no engine lifts
them: water does. Suppose a boat travels upstream. The keeper first lets the water in the chamber sink to the level of
the lower reach, then opens the lower gates. The boat moves in and is tied loosely to the wall, because it will rise.
Now the lower gates are shut and the paddles of the upper gates are raised. Water runs in from above, slowly at first so
that the boat is not thrown about, and after six or seven minutes the surface is level with the upper reach. Only then
can the upper gates be opened, since before that the weight of the water holds them closed. The boat leaves, and the
next one, travelling downstream, can use the same chamber without waiting for it to fill again.

How much water does this take? Take a chamber that is 22 metres long and 4.5 metres wide, with a rise of 2 metres. One
filling needs 22 times 4.5 times 2, which is 198 cubic metres, or 198,000 litres. On a summer day with 60 boats, half of
them in each direction, the keeper needs between 30 and 60 fillings. In the best case boats alternate and 30 fillings
suffice, about 5,940 cubic metres. In the worst case all the upstream boats come in the morning and all the others in
the afternoon, and each of them needs a filling of its own: 11,880 cubic metres. That is why keepers like boats to wait
for company, and why many locks have a side pond, which keeps half of the water of one filling for the next.

Questions that visitors ask most often are these. Why do the gates meet in a point? Because the pressure of the water
then pushes them together, and the joint closes the better the higher the water stands. Who invented this? Mitred gates
are usually ascribed to Leonardo da Vinci, who described them for a canal in Milan around 1497. Can a lock fail? It can,
if a gate is rammed or something is caught in the sill, and so the keeper looks at the sill before the gates are shut.
What happens in winter? The chamber is drained, the gates are lifted out one by one, and their timbers are looked over.

The rules on the board beside the lock are short. First, stop the propeller before the line. Second, never tie a rope
fast while the water sinks. Third, keep the boat away from the sill, which is marked in white. Fourth, close the paddles
behind you.
"""


def prompt_ids(tokens: Tokens, length: int) -> tuple[int, ...]:
    """``length`` ids; what the model wants before a text stands there once."""
    whole, again = tokens.encode(_TEXT, special=True), tokens.encode(_TEXT, special=False)
    return tuple(islice(chain(whole, cycle(again)), length))
