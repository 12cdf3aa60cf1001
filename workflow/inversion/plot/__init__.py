"""Draws figures from tables. Each figure has one function, which returns a matplotlib figure.

Lines differ in colour (Okabe and Ito's palette for colour-blind readers), dashes and marker, and are labelled at their
ends instead of in a legend. The step axis has a square-root scale, because in most runs most of the change happens
within the first tenth. With several seeds, a line is their mean, the band reaches from the lowest seed to the highest,
and thin lines are the seeds. With one seed, the band is the table's 95 % interval.

Import names from the modules. Each module is named after the table that it draws.
"""
