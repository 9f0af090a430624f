"""What tests and benchmarks share, and scripts for those who work on the project.

What belongs here: stores with known contents, servers of one's own, programs that break a night.
What does not: assertions (`its_pipeline_tests`) and measurements (`benchmarks`); the product
never imports from here.
"""
