"""A run in shards: its chunks dealt out to folders of their own, and what comes of them merged.

The run itself reads and cuts, so documents that are alike are found among all of them, and chunks
are what they would be without shards. Then :func:`split` deals whole documents to
``shards/<number>/``, each the folder of a run in which reading and cutting count as done: whoever
goes on with it (``resume=``) asks about its chunks, on any machine that sees the folder.
:func:`merge` brings the rows back, in the order of the run's chunks, and the run goes on with
curation, figures and export as if it had asked itself.

What is asked about a chunk does not depend on its shard: the seed of a request is drawn from the
chunk's id, other chunks in a prompt are of the same document, and models are asked about each pair
that is good by itself (:mod:`synth.curation`); duplicates are looked for when all pairs are there. So
the pairs are the same whatever the number of shards. The share of chunks that may fail is that of
the whole run, in a shard (``shard_of``) and when they are merged (:func:`check_losses`).
"""

from synth.shards.assign import assign
from synth.shards.book import Book, Shard, read_book
from synth.shards.figures import Figures, summarise
from synth.shards.merge import Merged, check_losses, merge
from synth.shards.split import split

__all__ = [
    "Book",
    "Figures",
    "Merged",
    "Shard",
    "assign",
    "check_losses",
    "merge",
    "read_book",
    "split",
    "summarise",
]
