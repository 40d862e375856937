"""Prints what failed in a run of the console launcher, CLASS#METHOD on a line each. usage: failed.py REPORTS"""
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

failed = set()
for report in pathlib.Path(sys.argv[1]).glob("TEST-*.xml"):
    for case in xml.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed.add(f"{case.get('classname')}#{re.split('[({]', case.get('name'))[0]}")
print(*sorted(failed), sep="\n")
