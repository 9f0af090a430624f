"""What people's tables hold: found out from their contents, or asked where those do not decide.

The way in is `understanding.understand`; `daily.read_daily` reads the days.
"""
