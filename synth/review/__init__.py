"""What one run has made, to be looked at: its counts, its plots, and the page of its pairs.

``counts`` adds up, ``plots`` draws that, ``pack`` chooses and packs the pairs, ``report`` writes
the page. All of it works on the files of a run: nothing here talks to a tracker or a server.
"""
