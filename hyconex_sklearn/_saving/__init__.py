"""_saving"""
