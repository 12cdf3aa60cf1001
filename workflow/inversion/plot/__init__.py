"""Figures: one function a figure, from tables to a matplotlib figure.

Lines are told apart by colour (Okabe and Ito's, made for the colour-blind), by dashes and by
marker, and are named at their ends instead of in a legend. The step axis is a square root, because
the action is over within the first tenth of most runs. Over several seeds a line is their mean, the
band reaches from the lowest seed to the highest and thin lines are the seeds; of a single seed the
band is the table's 95 % interval.

Import from the modules; a figure's is named after the table that it draws.
"""
